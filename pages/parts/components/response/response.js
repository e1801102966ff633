// @ts-check
// What s^_alpha makes of one pixel, under the pointer: solved here, for a question to the server would come too late.

import { make, place, watch } from "../../shell/drawing.js";
import { clamp } from "../../shell/geometry.js";
import { mount } from "../../shell/mount.js";
import { general } from "../../shell/numbers.js";
import { array, Drawing } from "../arrays.js";
import { averaged, canvasOf, enlarged, shaded } from "../levels.js";
import { EMPTY, fitting, written } from "../viewer/lens.js";
import { blurred, half, PixelGraph, sigmaOf } from "./solve.js";

/**
 * @typedef {object} ResponseData names of arrays: picture (C, H, W), likeness (1, H, W), right, down (H, W)
 * @property {string[]} arrays
 * @property {string} picture
 * @property {string} likeness
 * @property {string} right
 * @property {string} down
 * @property {number[]} alphas rising: where the slider stops
 * @property {number} alpha one of them
 * @property {[number, number]} at column and row of the pixel
 */

const GAP = 12; // CSS pixels
const SMALLEST = 150; // CSS pixels of a picture, that four may stand in a row
const MOVING = 1e-4; // residuals: while the pointer moves, and when it rests
const RESTING = 1e-8;
const REST = 150; // milliseconds
const FAINTEST = 4; // powers of ten, in which faint parts are shown
const TITLES = ["Picture", "How alike neighbours are", "What becomes of one pixel", "The same by a Gaussian"];

/** @extends {Drawing<ResponseData>} */
class Impulse extends Drawing {
  /** @param {HTMLElement} root */
  constructor(root) {
    super(root);
    /** @type {ResponseData | null} */
    this.data = null;
    /** @type {PixelGraph | null} */
    this.graph = null;
    this.made = "";
    /** @type {{ alpha: number, values: Float64Array } | null} */
    this.ones = null;
    this.alpha = 0;
    /** @type {[number, number]} */
    this.picked = [0, 0];
    /** @type {[number, number]} */
    this.at = [0, 0];
    this.faint = true;
    this.sliding = false;
    this.pending = 0;
    this.resting = 0;
    this.scale = 1; // CSS pixels for one of the picture's
    this.slider = make("input", {
      type: "range",
      min: 0,
      step: 1,
      "aria-label": "alpha",
      oninput: () => this.slide(true),
      onchange: () => this.slide(false),
    });
    this.number = make("output");
    const title = "Logarithmic: from the largest value to a ten-thousandth of it";
    this.toggle = make(
      "button",
      { type: "button", "aria-pressed": "true", title, onclick: () => this.turn() },
      "Faint parts",
    );
    this.line = make("p", { class: "line" });
    this.figures = TITLES.map((name) => {
      const canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": `${name}; arrow keys move the pixel` });
      const mark = make("div", { class: "mark" });
      const caption = make("figcaption");
      const stage = make("div", { class: "stage" }, canvas, mark);
      return { canvas, mark, caption, element: make("figure", {}, make("b", {}, name), stage, caption) };
    });
    root.replaceChildren(
      make("div", { class: "toolbar" }, make("label", {}, "α", this.slider, this.number), this.toggle),
      make("div", { class: "pictures" }, ...this.figures.map((figure) => figure.element)),
      this.line,
    );
    for (const { canvas } of this.figures) this.listen(canvas);
    this.unwatch = watch(root, () => this.ask());
  }

  /** @override */
  dispose() {
    super.dispose();
    cancelAnimationFrame(this.pending);
    clearTimeout(this.resting);
    this.unwatch();
  }

  /**
   * @override
   * @param {ResponseData} data
   */
  show(data) {
    const { shape } = array(data.picture);
    const [height, width] = shape.slice(1);
    const made = [data.picture, data.right, data.down].join();
    if (made !== this.made) {
      this.graph = new PixelGraph(array(data.right).values, array(data.down).values, width, height);
      this.made = made;
      this.ones = null;
    }
    this.data = data;
    this.slider.max = String(data.alphas.length - 1);
    if (!this.sliding) {
      this.alpha = data.alpha;
      this.slider.value = String(data.alphas.indexOf(data.alpha));
    }
    this.picked = [clamp(data.at[0], 0, width - 1), clamp(data.at[1], 0, height - 1)];
    this.at = this.picked;
    this.ask();
  }

  /** @param {HTMLCanvasElement} canvas */
  listen(canvas) {
    const moved = (/** @type {PointerEvent} */ event) => this.point(this.under(canvas, event));
    canvas.onpointermove = moved;
    canvas.onpointerdown = moved;
    canvas.onpointerup = () => this.pick();
    canvas.onpointerleave = () => this.point(this.picked);
    canvas.onkeydown = (event) => {
      /** @type {Record<string, [number, number] | undefined>} */
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const way = ways[event.key];
      if (!way || !this.graph) return;
      event.preventDefault();
      const { width, height } = this.graph;
      this.point([clamp(this.at[0] + way[0], 0, width - 1), clamp(this.at[1] + way[1], 0, height - 1)]);
      this.pick();
    };
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {MouseEvent} event
   * @returns {[number, number]}
   */
  under(canvas, event) {
    const [x, y] = place(canvas, event).map((value) => Math.floor(value / this.scale));
    const { width, height } = this.graph ?? { width: 1, height: 1 };
    return [clamp(x, 0, width - 1), clamp(y, 0, height - 1)];
  }

  /** @param {[number, number]} at */
  point(at) {
    if (at[0] === this.at[0] && at[1] === this.at[1]) return;
    this.at = at;
    this.ask();
  }

  pick() {
    this.picked = this.at;
    this.tell();
  }

  /** @param {boolean} sliding */
  slide(sliding) {
    this.sliding = sliding;
    this.alpha = this.data?.alphas[Number(this.slider.value)] ?? 0;
    this.ask();
    if (!sliding) this.tell();
  }

  turn() {
    this.faint = !this.faint;
    this.toggle.setAttribute("aria-pressed", String(this.faint));
    this.ask();
  }

  tell() {
    this.report({ at: this.picked, alpha: this.alpha });
  }

  ask() {
    clearTimeout(this.resting);
    if (!this.pending) this.pending = requestAnimationFrame(() => this.draw(MOVING));
  }

  /**
   * The impulse at the pixel as s^_alpha leaves it.
   * @param {PixelGraph} graph
   * @param {number} tolerance
   */
  respond(graph, tolerance) {
    const { alpha } = this;
    if (this.ones?.alpha !== alpha) {
      this.ones = { alpha, values: graph.solve(alpha, new Float64Array(graph.size).fill(1), RESTING).values };
    }
    const impulse = new Float64Array(graph.size);
    impulse[this.at[1] * graph.width + this.at[0]] = 1;
    const solution = graph.solve(alpha, impulse, tolerance);
    const ones = this.ones.values;
    return { ...solution, values: solution.values.map((value, i) => Math.max(value, 0) / ones[i]) };
  }

  /** @param {number} tolerance */
  draw(tolerance) {
    this.pending = 0;
    const { data, graph } = this;
    if (!this.root.isConnected || !data || !graph) return;
    const [x, y] = this.at;
    const { width, height } = graph;
    const { values, steps, residual } = this.respond(graph, tolerance);
    const here = values[y * width + x];
    const largest = values.reduce((most, value) => Math.max(most, value), 0);
    const sigma = sigmaOf(here);
    const gaussian = blurred(sigma, x, y, width, height);
    const likeness = array(data.likeness).values;
    const ratio = window.devicePixelRatio || 1;
    const across = this.root.clientWidth;
    const columns = across >= 4 * SMALLEST + 3 * GAP ? 4 : across >= 2 * SMALLEST + GAP ? 2 : 1;
    const room = (((across - (columns - 1) * GAP) / columns) * ratio) / width;
    const scale = fitting(room, width, room < 1 ? 0 : EMPTY);
    this.scale = scale / ratio;
    const pictures = [array(data.picture).values, likeness, this.shade(values, largest), this.shade(gaussian, largest)];
    this.figures.forEach(({ canvas, mark, element }, i) => {
      const { rgba } = shaded(pictures[i], width * height, null);
      const sized =
        scale < 1
          ? averaged(rgba, width, height, 1 / scale)
          : enlarged(rgba, width, height, Math.round(width * scale), Math.round(height * scale));
      canvasOf(sized.rgba, sized.width, sized.height, canvas);
      element.style.width = canvas.style.width = `${sized.width / ratio}px`;
      canvas.style.height = `${sized.height / ratio}px`;
      const side = Math.max(this.scale, 5);
      Object.assign(mark.style, {
        left: `${(x + 0.5) * this.scale - side / 2 - 1}px`,
        top: `${(y + 0.5) * this.scale - side / 2 - 1}px`,
        width: `${side}px`,
        height: `${side}px`,
      });
    });
    const span = this.faint
      ? `logarithmic, white ${general(largest, 2)}, black a ten-thousandth`
      : `white is ${general(largest, 2)}`;
    const captions = [
      `${written(scale)}${scale < 1 ? " averaged" : ""}`,
      "white: equal colours, black: an edge",
      span,
      `σ = ${general(sigma, 2)} pixels; the same scale`,
    ];
    for (const [i, { caption }] of this.figures.entries()) caption.textContent = captions[i];
    this.number.textContent = general(this.alpha, 4);
    const [own, other] = [half(values), half(gaussian)];
    this.line.textContent =
      `Pixel (${x}, ${y}) keeps ${general(100 * here, 2)} % of what is put there. Half of what it gives lies in ` +
      `${own} pixel${own === 1 ? "" : "s"} that the picture chooses; the Gaussian that keeps as much has it in ${other}, whatever lies there.`;
    const sum = values.reduce((total, value) => total + value, 0);
    Object.assign(this.root.dataset, { at: `${x},${y}`, alpha: this.alpha, here, sum, steps, residual, sigma });
    if (tolerance > RESTING) this.resting = window.setTimeout(() => this.draw(RESTING), REST);
  }

  /**
   * What is shown of values from 0 to `largest`, in [0, 1].
   * @param {Float64Array} values
   * @param {number} largest
   */
  shade(values, largest) {
    const of = (/** @type {number} */ value) =>
      this.faint ? 1 + Math.log10(value / largest) / FAINTEST : value / largest;
    return Float32Array.from(values, (value) => clamp(value > 0 ? of(value) : 0, 0, 1));
  }
}

export default mount(".response", (root) => new Impulse(root));
