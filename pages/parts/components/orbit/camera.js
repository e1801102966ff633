// @ts-check
// Where points in three dimensions are seen. The camera stands 4.2 radii from the origin and looks at it; the third
// axis points up.

import { clamp } from "../../shell/geometry.js";

/**
 * @typedef {object} Camera
 * @property {number} turn radians about the upright axis
 * @property {number} tilt radians above the horizontal plane
 * @property {number} zoom
 */

/**
 * @typedef {object} Spot a point as it is seen
 * @property {number} x CSS pixels
 * @property {number} y
 * @property {number} depth 1 nearest, -1 farthest, of what is within one radius
 * @property {number} scale how much larger than at the origin things are, times LENS / FAR
 */

/** @type {Camera} */
export const START = { turn: 0.72, tilt: 0.4, zoom: 1 };
const FAR = 4.2; // of the eye from the origin, in radii
const LENS = 4; // the eye's focal length, in radii; a sphere of one radius just fits
const LEAST = 0.4; // zoom
const MOST = 12;
const TURN = 0.12; // of an arrow key, in radians
const SWEEP = 3.4; // radians of a drag across the whole canvas

/**
 * A camera within its limits: not beyond the poles, neither too near nor too far.
 * @param {Camera} camera
 * @returns {Camera}
 */
export const limited = ({ turn, tilt, zoom }) => ({
  turn,
  tilt: clamp(tilt, -Math.PI / 2, Math.PI / 2),
  zoom: clamp(zoom, LEAST, MOST),
});

/**
 * The camera after a drag of (dx, dy) CSS pixels on a canvas so wide: what is in front goes with the pointer.
 * @param {Camera} camera
 * @param {number} dx
 * @param {number} dy
 * @param {number} width
 * @returns {Camera}
 */
export const dragged = ({ turn, tilt, zoom }, dx, dy, width) => ({
  turn: turn - (SWEEP * dx) / width,
  tilt: tilt + (SWEEP * dy) / width,
  zoom,
});

/**
 * The camera after a key, or null where the key moves nothing.
 * @param {Camera} camera
 * @param {string} key
 * @returns {Camera | null}
 */
export function pressed({ turn, tilt, zoom }, key) {
  if (key === "ArrowLeft") return { turn: turn + TURN, tilt, zoom };
  if (key === "ArrowRight") return { turn: turn - TURN, tilt, zoom };
  if (key === "ArrowUp") return { turn, tilt: tilt - TURN, zoom };
  if (key === "ArrowDown") return { turn, tilt: tilt + TURN, zoom };
  if (key === "+") return { turn, tilt, zoom: zoom * 1.25 };
  if (key === "-") return { turn, tilt, zoom: zoom / 1.25 };
  return key === "Home" ? START : null;
}

/** @param {number} width @param {number} height CSS pixels of a canvas */
const half = (width, height) => (0.92 * Math.min(width, height)) / 2;

/**
 * What projects the i-th of points [x, y, z, x, y, z, ...] onto a canvas.
 * @param {Camera} camera
 * @param {number} radius half the extent of what is shown
 * @param {number} width CSS pixels
 * @param {number} height
 * @returns {(points: ArrayLike<number>, i: number) => Spot}
 */
export function projection({ turn, tilt, zoom }, radius, width, height) {
  const [ct, st, cl, sl] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const size = half(width, height) * zoom;
  return (points, i) => {
    const [a, b, c] = [points[3 * i] / radius, points[3 * i + 1] / radius, points[3 * i + 2] / radius];
    const across = ct * b - st * a;
    const away = ct * a + st * b;
    const depth = cl * away + sl * c;
    const up = cl * c - sl * away;
    const scale = LENS / (FAR - depth);
    return { x: width / 2 + across * scale * size, y: height / 2 - up * scale * size, depth, scale };
  };
}

/**
 * CSS pixels of the radius at which the outline of a sphere about the origin is seen, r in radii of the view.
 * @param {number} r
 * @param {number} zoom
 * @param {number} width
 * @param {number} height
 */
export const outline = (r, zoom, width, height) =>
  (LENS * r * half(width, height) * zoom) / Math.sqrt(FAR * FAR - r * r);

/**
 * The spot that a pointer at (x, y) is on, or null. A solid one is larger.
 * @template {{ x: number, y: number, solid: boolean }} Seen
 * @param {Seen[]} spots
 * @param {number} x
 * @param {number} y
 */
export function pointed(spots, x, y) {
  /** @type {Seen | null} */
  let best = null;
  let least = 14;
  for (const spot of spots) {
    const distance = Math.hypot(spot.x - x, spot.y - y) - (spot.solid ? 4 : 0);
    if (distance < least) [best, least] = [spot, distance];
  }
  return best;
}
