// @ts-check
// A picture at its own size, made from its values.

import { array } from "../arrays.js";
import { averaged, canvasOf, enlarged, shaded } from "../levels.js";
import { nearest } from "./curves.js";
import { readout } from "./readout.js";

/** @import { PanelData, ViewerData } from "./data.js" */

const { fround } = Math;

/**
 * Which of the key frames is nearest to a step of the film.
 * @param {number[]} keys
 * @param {number[]} steps of the film
 * @param {number} frame
 */
export const keyOf = (keys, steps, frame) =>
  nearest(
    keys.map((key) => steps[key]),
    steps[frame],
  );

/**
 * The values that are shown: those of the result, or of a frame of the panel's strip (null for the result).
 * @param {PanelData} panel
 * @param {number | null} frame
 */
function read({ array: name, strip, base }, frame) {
  if (strip === null || frame === null) return array(name).values;
  const { frames, shape, steps } = array(strip);
  const size = frames.length / shape[0];
  const numbers = frames.subarray(frame * size, (frame + 1) * size);
  if (base === null) return Float32Array.from(numbers, (number) => number * steps[frame]);
  const { values } = array(base);
  return Float32Array.from(numbers, (number, i) => values[i] + fround(number * steps[frame]));
}

export class Picture {
  constructor() {
    this.canvas = document.createElement("canvas");
    /** @type {Float32Array} */
    this.values = new Float32Array(0);
    this.rgba = new Uint8ClampedArray(0);
    this.width = 0;
    this.height = 0;
    this.clipped = 0; // share of the values that are beyond the span
    /** @type {number | null} */
    this.span = null;
    this.unit = "";
    this.shown = "";
    /** @type {{ scale: number, canvas: HTMLCanvasElement } | null} */
    this.scaled = null;
  }

  /**
   * Draw the picture at its own size, if what it shows has changed.
   * @param {PanelData} panel
   * @param {number | null} frame of the film
   * @param {ViewerData} data
   */
  refresh(panel, frame, { width, height, film }) {
    const wide = frame !== null && panel.spans ? panel.spans[frame] : panel.span;
    const span = wide === null ? null : fround(wide);
    const at = frame !== null && panel.keys && film ? keyOf(panel.keys, film.steps, frame) : frame;
    const shown = [panel.array, span, panel.strip !== null && at !== null && `${panel.strip} ${at}`].join();
    this.unit = panel.unit;
    if (shown === this.shown) return;
    this.shown = shown;
    this.span = span;
    this.scaled = null;
    this.values = read(panel, at);
    this.width = width;
    this.height = height;
    const { rgba, clipped } = shaded(this.values, width * height, span);
    this.rgba = rgba;
    this.clipped = clipped;
    canvasOf(rgba, width, height, this.canvas);
  }

  /**
   * The picture at a scale that is no whole number: factor x factor pixels averaged into one where it is below 1, else by
   * nearest neighbour.
   * @param {number} scale
   */
  at(scale) {
    if (this.scaled?.scale === scale) return this.scaled.canvas;
    const [across, down] = [Math.round(this.width * scale), Math.round(this.height * scale)];
    const { rgba, width, height } =
      scale < 1
        ? averaged(this.rgba, this.width, this.height, 1 / scale)
        : enlarged(this.rgba, this.width, this.height, across, down);
    this.scaled = { scale, canvas: canvasOf(rgba, width, height) };
    return this.scaled.canvas;
  }

  /**
   * What a person reads of one pixel: two lines.
   * @param {number} x
   * @param {number} y
   */
  readout(x, y) {
    const pixels = this.width * this.height;
    const values = [];
    for (let i = y * this.width + x; i < this.values.length; i += pixels) values.push(this.values[i]);
    return readout(values, this.span, this.unit, x, y);
  }
}
