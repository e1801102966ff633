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
 * Of the pixels along one axis, which lie under each pixel of a picture `factor` times smaller, and how much of them.
 * @param {number} size
 * @param {number} factor
 * @returns {[index: number, share: number][][]}
 */
function covered(size, factor) {
  return Array.from({ length: Math.ceil(size / factor - 1e-6) }, (_, i) => {
    const [from, to] = [i * factor, Math.min((i + 1) * factor, size)];
    const first = Math.floor(from + 1e-6);
    const count = Math.ceil(to - 1e-6) - first;
    return Array.from({ length: count }, (_, k) => {
      const at = first + k;
      return [at, Math.min(at + 1, to) - Math.max(at, from)];
    });
  });
}

/**
 * A picture with factor x factor pixels averaged into one, each as far as it lies under it; at the right and below of
 * those that there are.
 * @param {Uint8ClampedArray} rgba opaque
 * @param {number} width
 * @param {number} height
 * @param {number} factor 1 or more
 */
export function averaged(rgba, width, height, factor) {
  const columns = covered(width, factor);
  const rows = covered(height, factor);
  const small = new Uint8ClampedArray(4 * columns.length * rows.length);
  for (const [y, lines] of rows.entries()) {
    for (const [x, places] of columns.entries()) {
      const sum = [0, 0, 0];
      let area = 0;
      for (const [v, down] of lines) {
        for (const [u, across] of places) {
          const share = down * across;
          for (let c = 0; c < 3; c++) sum[c] += share * rgba[4 * (v * width + u) + c];
          area += share;
        }
      }
      const at = 4 * (y * columns.length + x);
      for (let c = 0; c < 3; c++) small[at + c] = Math.round(sum[c] / area);
      small[at + 3] = 255;
    }
  }
  return { rgba: small, width: columns.length, height: rows.length };
}

/**
 * A picture enlarged by any factor, by nearest neighbour: every pixel is that of the picture which its middle lies in.
 * A canvas would do it too, but for middles between two pixels, where browsers differ.
 * @param {Uint8ClampedArray} rgba
 * @param {number} width
 * @param {number} height
 * @param {number} across of the enlarged picture
 * @param {number} down
 */
export function enlarged(rgba, width, height, across, down) {
  const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const large = new Uint32Array(across * down);
  const columns = Array.from({ length: across }, (_, x) => Math.floor(((x + 0.5) * width) / across));
  for (let y = 0; y < down; y++) {
    const row = Math.floor(((y + 0.5) * height) / down) * width;
    for (let x = 0; x < across; x++) large[y * across + x] = pixels[row + columns[x]];
  }
  return { rgba: new Uint8ClampedArray(large.buffer), width: across, height: down };
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
