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
 * With so many significant digits, as `numbers.general` writes it: no zeros at the end, all digits of a whole number,
 * a power of ten where it is far from 1; a dash where it is not finite.
 * @param {number} value
 * @param {number} digits
 */
export function general(value, digits) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  const rounded = Number(size.toPrecision(digits));
  if (rounded >= 1e-4 && rounded < 1e6) {
    return sign + (rounded >= 10 ** digits ? Math.round(size).toLocaleString("en") : String(rounded));
  }
  const [mantissa, power] = size.toExponential(digits - 1).split("e");
  const raised = String(Number(power)).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  return `${sign}${Number(mantissa)}\u00a0×\u00a010${raised}`;
}

/**
 * With three significant digits.
 * @param {number} value
 */
export const short = (value) => general(value, 3);

/**
 * With its sign, a real minus.
 * @param {number} value
 * @param {number} digits after the point
 */
export const signed = (value, digits) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
