// @ts-check
// A graph in the plane: where its points are on the screen, and what a pointer is on.

import { beside, nearest } from "../../shell/geometry.js";

/** @import { Point } from "../../shell/geometry.js" */

/**
 * @typedef {object} Camera
 * @property {number} x of the plane, that the middle of the board is moved by
 * @property {number} y
 * @property {number} zoom
 */

/**
 * @typedef {object} Edge between the images i and j
 * @property {number} i
 * @property {number} j
 * @property {number} weight
 * @property {number} opacity
 * @property {boolean} punished
 */

const NEAR = 11; // CSS pixels from a point's middle that count as on it
const BESIDE = 5; // and from an edge

/**
 * CSS pixels for one unit of the plane where all of `extent` (left, right, bottom, top) is shown.
 * @param {number[]} extent
 * @param {number} width
 * @param {number} height
 */
export const fitted = ([left, right, bottom, top], width, height) =>
  Math.min(width / (right - left), height / (top - bottom));

/**
 * Where the points [x, y, x, y, ...] are on a board.
 * @param {ArrayLike<number>} points
 * @param {number[]} extent
 * @param {Camera} camera
 * @param {number} width CSS pixels
 * @param {number} height
 * @returns {Point[]}
 */
export function placed(points, extent, { x, y, zoom }, width, height) {
  const [left, right, bottom, top] = extent;
  const scale = fitted(extent, width, height) * zoom;
  const [middle, level] = [x + (left + right) / 2, y + (bottom + top) / 2];
  return Array.from({ length: points.length / 2 }, (_, i) => [
    width / 2 + (points[2 * i] - middle) * scale,
    height / 2 - (points[2 * i + 1] - level) * scale,
  ]);
}

/**
 * The camera after a drag of (dx, dy) CSS pixels: the plane goes with the pointer.
 * @param {Camera} camera
 * @param {number} dx
 * @param {number} dy
 * @param {number} scale CSS pixels for one unit, at a zoom of 1
 * @returns {Camera}
 */
export const dragged = ({ x, y, zoom }, dx, dy, scale) => ({
  x: x - dx / (scale * zoom),
  y: y + dy / (scale * zoom),
  zoom,
});

/**
 * Edges of these arrays.
 * @param {ArrayLike<number>} ends (2, m)
 * @param {ArrayLike<number>} weights (m,)
 * @param {ArrayLike<number>} opacities (m,)
 * @param {ArrayLike<number>} punished (m,) 0 or 1
 * @returns {Edge[]}
 */
export const edges = (ends, weights, opacities, punished) =>
  Array.from({ length: weights.length }, (_, e) => ({
    i: ends[e],
    j: ends[weights.length + e],
    weight: weights[e],
    opacity: opacities[e],
    punished: punished[e] === 1,
  }));

/**
 * Whether an edge is drawn: all are where no image is picked (-1), else those of the picked one.
 * @param {Edge} edge
 * @param {number} picked
 */
export const drawn = ({ i, j }, picked) => picked < 0 || i === picked || j === picked;

/**
 * The image at a place of the board; -1 for none.
 * @param {Point[]} places
 * @param {Point} at
 */
export const vertex = (places, at) => nearest(places, at, NEAR);

/**
 * The strongest punished edge at a place of the board, of those that are drawn.
 * @param {Edge[]} net the strongest last
 * @param {Point[]} places
 * @param {number} picked
 * @param {Point} at
 */
export const strongest = (net, places, picked, at) =>
  net.findLast((edge) => edge.punished && drawn(edge, picked) && beside(places[edge.i], places[edge.j], at) < BESIDE);
