// @ts-check
// From values to what a screen shows: 8-bit levels, in float32 arithmetic (Math.fround), exactly as `levels` of the
// viewer's Python side.

import { clamp } from "../shell/geometry.js";

const { fround } = Math;

/**
 * Rounded, halves to the even number, as IEEE and NumPy do.
 * @param {number} x
 */
export function rint(x) {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/**
 * The level of a value: of one in [0, 1] where span is null, else with 0 at mid-grey and span / 2 at white.
 * @param {number} value
 * @param {number | null} span
 */
export function level(value, span) {
  const shown = span === null ? value : fround(0.5 + fround(value / span));
  return rint(fround(clamp(shown, 0, 1) * 255));
}

/**
 * The pixels of values (C, H, W), C 1 or 3, as RGBA, and the share of values that are beyond the span.
 * @param {Float32Array} values
 * @param {number} pixels H * W
 * @param {number | null} span
 */
export function shaded(values, pixels, span) {
  const rgba = new Uint8ClampedArray(4 * pixels);
  const channels = values.length / pixels;
  let outside = 0;
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) {
      const value = values[c * pixels + i];
      rgba[4 * i + c] = level(value, span);
      if (span !== null && Math.abs(value) > span / 2) outside++;
    }
  }
  for (let i = 0; i < pixels; i++) {
    if (channels === 1) rgba[4 * i + 1] = rgba[4 * i + 2] = rgba[4 * i];
    rgba[4 * i + 3] = 255;
  }
  return { rgba, clipped: outside / values.length };
}

/**
 * A picture with every factor x factor pixels averaged into one; at the right and below of those that there are.
 * @param {Uint8ClampedArray} rgba opaque
 * @param {number} width
 * @param {number} height
 * @param {number} factor
 */
export function averaged(rgba, width, height, factor) {
  const across = Math.ceil(width / factor);
  const down = Math.ceil(height / factor);
  const small = new Uint8ClampedArray(4 * across * down);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      const sum = [0, 0, 0];
      let n = 0;
      for (let v = y * factor; v < Math.min((y + 1) * factor, height); v++) {
        for (let u = x * factor; u < Math.min((x + 1) * factor, width); u++, n++) {
          for (let c = 0; c < 3; c++) sum[c] += rgba[4 * (v * width + u) + c];
        }
      }
      const at = 4 * (y * across + x);
      for (let c = 0; c < 3; c++) small[at + c] = Math.round(sum[c] / n);
      small[at + 3] = 255;
    }
  }
  return { rgba: small, width: across, height: down };
}

/**
 * A canvas with just these pixels.
 * @param {Uint8ClampedArray<ArrayBuffer>} rgba
 * @param {number} width
 * @param {number} height
 */
export function canvasOf(rgba, width, height, canvas = document.createElement("canvas")) {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d", { alpha: false })?.putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas;
}
