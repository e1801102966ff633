// @ts-check
// What a person reads of one pixel.

import { clamp } from "../../shell/geometry.js";
import { signed } from "../../shell/numbers.js";
import { level } from "../levels.js";

/**
 * Two lines: place and what is shown, and the values.
 * @param {number[]} values of all channels
 * @param {number | null} span
 * @param {string} unit
 * @param {number} x
 * @param {number} y
 * @returns {[string, string]}
 */
export function readout(values, span, unit, x, y) {
  const where = `x ${x}  y ${y}`;
  const shown = values.map((value) => level(value, span)).join(" ");
  if (span === null) return [`${where}  level ${shown}`, values.map((value) => value.toFixed(4)).join("  ")];
  if (unit) return [`${where}  grey ${shown}`, `${values.map((value) => signed(value, 2)).join("  ")} ${unit}`];
  const digits = clamp(3 - Math.floor(Math.log10(span)), 4, 9);
  return [
    `${where}  ${values.map((value) => signed(255 * value, digits - 3)).join(" ")} /255`,
    values.map((value) => signed(value, digits)).join(" "),
  ];
}
