// @ts-check
// Points in the plane.

/** @typedef {[x: number, y: number]} Point */

/**
 * `value`, or the end of the range that it is beyond.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * Distance of (x, y) from the piece of a line between two points.
 * @param {Point} a
 * @param {Point} b
 * @param {Point} point
 */
export function beside([ax, ay], [bx, by], [x, y]) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = clamp(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1), 0, 1);
  return Math.hypot(ax + along * dx - x, ay + along * dy - y);
}

/**
 * Whether a point lies inside a polygon, convex or not, given by its corners.
 * @param {Point[]} corners
 * @param {Point} point
 */
export function inside(corners, [x, y]) {
  let found = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [xi, yi] = corners[i];
    const [xj, yj] = corners[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) found = !found;
  }
  return found;
}

/**
 * Corners of the upright box between two opposite ones.
 * @param {Point} one
 * @param {Point} other
 * @returns {Point[]}
 */
export const box = ([a, b], [c, d]) => [
  [a, b],
  [c, b],
  [c, d],
  [a, d],
];

/**
 * Row of the point that is nearest to a place, less than `reach` away; -1 where there is none.
 * @param {Point[]} points
 * @param {Point} place
 * @param {number} reach
 */
export function nearest(points, [x, y], reach) {
  let [found, least] = [-1, reach];
  points.forEach(([u, v], row) => {
    const distance = Math.hypot(u - x, v - y);
    if (distance < least) [found, least] = [row, distance];
  });
  return found;
}
