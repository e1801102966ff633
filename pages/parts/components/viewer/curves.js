// @ts-check
// A scalar over the steps of an attack, on a plot of 100 by 100.

/**
 * Place of a step along the plot, 0 to 1.
 * @param {number} step from 1
 * @param {number} total
 */
export const along = (step, total) => (total > 1 ? (step - 1) / (total - 1) : 0.5);

/**
 * The range of the finite values, 0 in it if wished; of some size where they are all alike.
 * @param {Float32Array} values
 * @param {boolean} zero
 * @returns {[low: number, high: number]}
 */
export function range(values, zero) {
  let [low, high] = zero ? [0, 0] : [Infinity, -Infinity];
  for (const value of values) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return high > low ? [low, high] : [low - 1, low + 1];
}

/**
 * Height of a value on the plot, from above; 3 is left free at either end.
 * @param {number} value
 * @param {[low: number, high: number]} range
 */
export const down = (value, [low, high]) => 3 + (94 * (high - value)) / (high - low);

/**
 * The line through all finite values, as a path of SVG.
 * @param {Float32Array} values
 * @param {[low: number, high: number]} range
 */
export function path(values, range) {
  let found = "";
  for (const [i, value] of values.entries()) {
    if (!Number.isFinite(value)) continue;
    const x = 100 * along(i + 1, values.length);
    found += `${found ? "L" : "M"}${x.toFixed(2)} ${down(value, range).toFixed(2)}`;
  }
  return found;
}

/**
 * Which of the kept steps is nearest to one.
 * @param {number[]} steps rising
 * @param {number} step
 */
export const nearest = (steps, step) =>
  steps.reduce((best, value, i) => (Math.abs(value - step) < Math.abs(steps[best] - step) ? i : best), 0);
