// @ts-check
// s^_alpha in the browser: L_alpha s = z by conjugate gradients in double precision, so that an impulse can follow the
// pointer (Smooth Adversarial Examples, eqs. 8 and 9). The graph comes from the server, normalised weights and all.

/**
 * @typedef {object} Solution
 * @property {Float64Array} values s_alpha(z), the smaller the residual the nearer
 * @property {number} steps
 * @property {number} residual |z - L_alpha s| / |z|, which bounds |s - s*| / |z|
 */

/**
 * @param {Float64Array} a
 * @param {Float64Array} b
 */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** A graph of four neighbours on the pixels of a picture. */
export class PixelGraph {
  /**
   * @param {ArrayLike<number>} right (H, W) S_ij of a pixel and the one to its right; 0 in the last column
   * @param {ArrayLike<number>} down (H, W) S_ij of a pixel and the one below; 0 in the last row
   * @param {number} width
   * @param {number} height
   */
  constructor(right, down, width, height) {
    this.right = Float64Array.from(right);
    this.down = Float64Array.from(down);
    this.width = width;
    this.height = height;
  }

  get size() {
    return this.width * this.height;
  }

  /**
   * (I - alpha S) z
   * @param {number} alpha
   * @param {Float64Array} z
   * @param {Float64Array} out
   */
  apply(alpha, z, out) {
    const { right, down, width } = this;
    out.set(z);
    for (let i = 0; i < z.length; i++) {
      const across = alpha * right[i];
      if (across !== 0) {
        out[i] -= across * z[i + 1];
        out[i + 1] -= across * z[i];
      }
      const below = alpha * down[i];
      if (below !== 0) {
        out[i] -= below * z[i + width];
        out[i + width] -= below * z[i];
      }
    }
  }

  /**
   * s_alpha(z), not normalised.
   * @param {number} alpha from 0, below 1
   * @param {Float64Array} z
   * @param {number} tolerance of the residual
   * @param {number} [most] steps
   * @returns {Solution}
   */
  solve(alpha, z, tolerance, most = 5000) {
    const x = new Float64Array(z.length);
    const r = Float64Array.from(z, (value) => (1 - alpha) * value);
    const p = Float64Array.from(r);
    const q = new Float64Array(z.length);
    const whole = Math.sqrt(dot(r, r));
    let rr = whole * whole;
    let steps = 0;
    while (steps < most && Math.sqrt(rr) > tolerance * whole) {
      this.apply(alpha, p, q);
      const step = rr / dot(p, q);
      for (let i = 0; i < x.length; i++) {
        x[i] += step * p[i];
        r[i] -= step * q[i];
      }
      const before = rr;
      rr = dot(r, r);
      const turn = rr / before;
      for (let i = 0; i < p.length; i++) p[i] = r[i] + turn * p[i];
      steps++;
    }
    return { values: x, steps, residual: whole > 0 ? Math.sqrt(rr) / whole : 0 };
  }
}

/**
 * How many values, the largest first, make half of the sum of all; none is below 0.
 * @param {Float64Array} values
 */
export function half(values) {
  const sorted = Float64Array.from(values).sort();
  let left = sorted.reduce((sum, value) => sum + value, 0) / 2;
  let count = 0;
  while (left > 0 && count < sorted.length) {
    count++;
    left -= sorted[sorted.length - count];
  }
  return count;
}

/**
 * Taps 0, 1, ... of a Gaussian whose taps to both sides sum to 1.
 * @param {number} sigma pixels
 */
export function taps(sigma) {
  const reach = Math.ceil(8 * sigma) + 1;
  const found = Float64Array.from({ length: reach + 1 }, (_, k) => Math.exp(-(k * k) / (2 * sigma * sigma)));
  const sum = 2 * found.reduce((total, value) => total + value, 0) - found[0];
  return found.map((value) => value / sum);
}

/**
 * Standard deviation of the Gaussian that leaves `share` of an impulse where it was; pixels.
 * @param {number} share above 0, at most 1
 */
export function sigmaOf(share) {
  let [low, high] = [0.05, 1000];
  for (let i = 0; i < 60; i++) {
    const middle = Math.sqrt(low * high);
    if (taps(middle)[0] ** 2 > share) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}

/**
 * An impulse at a pixel after a Gaussian, (H, W); what would lie outside is lost.
 * @param {number} sigma
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
export function blurred(sigma, x, y, width, height) {
  const found = taps(sigma);
  const values = new Float64Array(width * height);
  for (let i = 0; i < values.length; i++) {
    const [dx, dy] = [Math.abs((i % width) - x), Math.abs(Math.floor(i / width) - y)];
    if (dx < found.length && dy < found.length) values[i] = found[dx] * found[dy];
  }
  return values;
}
