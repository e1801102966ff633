// @ts-check
// The plane of a panel: which part of it is seen, where its points are at a time, and which of them are meant.

import { inside } from "../../shell/geometry.js";

/** @import { Point } from "../../shell/geometry.js" */

/**
 * @typedef {object} View
 * @property {number} x of the plane, in the middle of the panel
 * @property {number} y
 * @property {number} scale CSS pixels for one unit
 */

/** @typedef {{ width: number, height: number }} Size of a panel, CSS pixels */

/** @typedef {{ from: number, to: number, share: number }} Moment two rows of epochs, and the way done between them */

const NEAR = 9; // CSS pixels from a point that count as on it

/**
 * The view of all of a part of the plane.
 * @param {number[]} extent left, right, bottom, top
 * @param {Size} size
 * @returns {View}
 */
export const fitted = ([left, right, bottom, top], { width, height }) => ({
  x: (left + right) / 2,
  y: (bottom + top) / 2,
  scale: Math.min(width / (right - left), height / (top - bottom)),
});

/**
 * Where (x, y) of the plane is on a panel, in CSS pixels.
 * @param {View} view
 * @param {Size} size
 * @param {number} x
 * @param {number} y
 * @returns {Point}
 */
export const onScreen = (view, { width, height }, x, y) => [
  width / 2 + (x - view.x) * view.scale,
  height / 2 - (y - view.y) * view.scale,
];

/**
 * The view enlarged by a factor; what is at a place of the panel stays there.
 * @param {View} view
 * @param {Size} size
 * @param {Point} at CSS pixels
 * @param {number} factor
 * @returns {View}
 */
export function zoomed(view, { width, height }, [x, y], factor) {
  const [dx, dy] = [x - width / 2, y - height / 2];
  const scale = view.scale * factor;
  return { x: view.x + dx / view.scale - dx / scale, y: view.y - dy / view.scale + dy / scale, scale };
}

/**
 * The view after a drag of (dx, dy) CSS pixels: the plane goes with the pointer.
 * @param {View} view
 * @param {number} dx
 * @param {number} dy
 * @returns {View}
 */
export const dragged = ({ x, y, scale }, dx, dy) => ({ x: x - dx / scale, y: y + dy / scale, scale });

/**
 * Which of a panel's epochs are seen at a place of the time line; between two of its own a panel shows the earlier.
 * @param {number[]} epochs of the panel, rising
 * @param {number[]} line epochs of all panels, rising
 * @param {number} time 0 to line.length - 1; between two whole numbers while playing
 * @returns {Moment}
 */
export function moment(epochs, line, time) {
  const row = (/** @type {number} */ t) =>
    Math.max(
      0,
      epochs.findLastIndex((epoch) => epoch <= line[t]),
    );
  const [from, to] = [row(Math.floor(time)), row(Math.ceil(time))];
  return { from, to, share: from === to ? 0 : time - Math.floor(time) };
}

/**
 * Where n points are at a moment: [x, y, x, y, ...].
 * @param {Float32Array} points (epochs, n, 2)
 * @param {number} n
 * @param {Moment} moment
 */
export function positions(points, n, { from, to, share }) {
  const first = points.subarray(2 * n * from, 2 * n * (from + 1));
  if (!share) return first;
  const second = points.subarray(2 * n * to, 2 * n * (to + 1));
  const between = new Float32Array(first.length);
  for (let i = 0; i < between.length; i++) between[i] = first[i] + share * (second[i] - first[i]);
  return between;
}

/**
 * Rows of the points inside an outline on the panel, of those that are visible.
 * @param {Point[]} outline CSS pixels
 * @param {ArrayLike<number>} where [x, y, x, y, ...]
 * @param {View} view
 * @param {Size} size
 * @param {(row: number) => boolean} visible
 */
export function enclosed(outline, where, view, size, visible) {
  const rows = [];
  for (let i = 0; i < where.length / 2; i++) {
    if (visible(i) && inside(outline, onScreen(view, size, where[2 * i], where[2 * i + 1]))) rows.push(i);
  }
  return rows;
}

/**
 * Row of the visible point nearest to a place on the panel; -1 where there is none.
 * @param {Point} at CSS pixels
 * @param {ArrayLike<number>} where [x, y, x, y, ...]
 * @param {View} view
 * @param {Size} size
 * @param {(row: number) => boolean} visible
 */
export function under([x, y], where, view, size, visible) {
  let [found, least] = [-1, NEAR];
  for (let i = 0; i < where.length / 2; i++) {
    if (!visible(i)) continue;
    const [u, v] = onScreen(view, size, where[2 * i], where[2 * i + 1]);
    const far = Math.hypot(u - x, v - y);
    if (far < least) [found, least] = [i, far];
  }
  return found;
}

/**
 * Which cells of a picture lie at a border: whose right or lower neighbour is of another class.
 * @param {ArrayLike<number>} answers (rows, columns)
 * @param {number} rows
 * @param {number} columns
 * @returns {boolean[]}
 */
export const borders = (answers, rows, columns) =>
  Array.from({ length: rows * columns }, (_, c) => {
    const right = (c + 1) % columns > 0 && answers[c + 1] !== answers[c];
    return right || (c + columns < rows * columns && answers[c + columns] !== answers[c]);
  });

/** @typedef {{ width: number, height: number, data: Uint8ClampedArray }} Pixels RGBA, row by row */

/**
 * Lay a marker over an opaque picture. By hand: ten thousand a frame are too many for drawImage without a GPU.
 * @param {Pixels} picture is changed
 * @param {Pixels} marker square
 * @param {number} left
 * @param {number} top
 * @param {number} opacity
 */
export function stamp(picture, marker, left, top, opacity) {
  const [size, width] = [marker.width, picture.width];
  const [below, above] = [picture.data, marker.data];
  for (let v = Math.max(0, -top); v < size && top + v < picture.height; v++) {
    for (let u = Math.max(0, -left); u < size && left + u < width; u++) {
      const source = 4 * (v * size + u);
      const share = (above[source + 3] * opacity) / 255;
      if (!share) continue;
      const target = 4 * ((top + v) * width + left + u);
      for (let c = 0; c < 3; c++) below[target + c] += share * (above[source + c] - below[target + c]);
    }
  }
}
