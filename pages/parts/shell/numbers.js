// @ts-check
// Numbers as they are written.

/**
 * Round numbers between two ends, about `n` of them, with a real minus sign.
 * @param {number} low
 * @param {number} high
 * @param {number} n
 */
export function ticks(low, high, n) {
  const raw = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((m) => m * power >= raw) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) {
    const text = (i * step).toFixed(digits).replace(/^-(?=0(\.0*)?$)/, "");
    found.push({ value: i * step, text: text.replace("-", "−") });
  }
  return found;
}

/**
 * With so many significant digits, as Python's format "g": no zeros at the end, an exponent where it is far from 1.
 * @param {number} value finite
 * @param {number} digits
 */
export function general(value, digits) {
  if (value === 0) return "0";
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < digits) return String(Number(value.toPrecision(digits)));
  const sign = exponent < 0 ? "-" : "+";
  return `${Number(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/**
 * With three significant digits and an exponent where it is far from 1; a dash where it is not finite.
 * @param {number} value
 */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 10000) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/**
 * With its sign, a real minus.
 * @param {number} value
 * @param {number} digits after the point
 */
export const signed = (value, digits) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
