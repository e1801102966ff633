// @ts-check
// What is seen of a picture, and how large: whole numbers of screen pixels for one of the picture's, or whole numbers of
// the picture's for one of the screen. Between them only where a whole number would waste the room there is; then some
// of the picture's pixels get a screen pixel more than others, and the mean of what a screen pixel covers is shown where
// it covers more than one.

import { clamp } from "../../shell/geometry.js";

const SCALES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64]; // screen pixels for one image pixel
const BELOW = [1 / 8, 1 / 7, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2];
const ALL = [...BELOW, ...SCALES];
const SMALLEST = 140; // of a picture, in CSS pixels: something must be seen, and the readout fit
export const EMPTY = 1 / 3; // of the room (an area), which a whole scale may leave empty at most
export const SPARE = 1 / 8; // the same where nothing else is on the screen
const NARROWEST = 120; // of a picture that stays in its row: what is said below it must be read
const LEAST = 224; // CSS pixels of height that pictures are not made smaller than to bring all of them into the window
const NEARLY = 0.8; // of that is room enough: what is below the last ones may be cut off
export const GAP = 12; // CSS pixels between two pictures

/**
 * The largest whole scale that there is room for; 1/2, 1/3 ... where there is not even 1.
 * @param {number} room
 */
export const whole = (room) => (room >= 1 ? Math.floor(room + 1e-6) : 1 / Math.ceil(1 / Math.max(room, 1e-3) - 1e-6));

/**
 * The largest scale that there is room for: whole, but not where that leaves too much of the room empty. Of one that is
 * not, the picture is a whole number of screen pixels wide.
 * @param {number} room screen pixels for one of the picture's
 * @param {number} size pixels of the picture, across
 * @param {number} [empty] share of the room that may stay empty; 0 also where there is not one screen pixel for each
 */
export function fitting(room, size, empty = EMPTY) {
  const scale = whole(room);
  const wasted = (room >= 1 || empty === 0) && 1 - (scale / room) ** 2 > empty;
  return wasted ? Math.max(Math.floor(size * room + 1e-6), 1) / size : scale;
}

/**
 * A scale as it is written.
 * @param {number} scale
 */
export const written = (scale) =>
  scale >= 1 ? `×${Number(scale.toFixed(2))}` : `1 : ${Number((1 / scale).toFixed(2))}`;

/**
 * The next scale up (direction above 0) or down; the last where there is none.
 * @param {number} scale
 * @param {number} direction
 */
export const next = (scale, direction) =>
  direction > 0
    ? (ALL.find((other) => other > scale) ?? ALL[ALL.length - 1])
    : (ALL.findLast((other) => other < scale) ?? ALL[0]);

/**
 * The scale of a closer look, by a double click.
 * @param {number} fitted
 */
export const closer = (fitted) => SCALES.find((scale) => scale >= 4 * fitted) ?? SCALES[SCALES.length - 1];

/**
 * The scale that is least far, as a ratio, from what two fingers ask for.
 * @param {number} wanted above 0
 */
export const nearest = (wanted) =>
  SCALES.reduce((x, y) => (Math.abs(Math.log(y / wanted)) < Math.abs(Math.log(x / wanted)) ? y : x));

/**
 * Screen pixel of a canvas at which the picture begins, along one axis.
 * @param {number} room screen pixels of the canvas
 * @param {number} size pixels of the picture
 * @param {number} middle pixel of the picture that should be in the middle of the canvas
 * @param {number} scale
 */
export const origin = (room, size, middle, scale) =>
  size * scale <= room + 1e-6
    ? Math.floor((room - Math.ceil(size * scale - 1e-6)) / 2)
    : Math.round(clamp(room / 2 - middle * scale, room - size * scale, 0));

/**
 * The middle, moved so that the picture fills the canvas, along one axis.
 * @param {number} room
 * @param {number} size
 * @param {number} middle
 * @param {number} scale
 */
export const settled = (room, size, middle, scale) =>
  size * scale <= room + 1e-6 ? size / 2 : clamp(middle, room / 2 / scale, size - room / 2 / scale);

/**
 * The middle after a change of scale that leaves what is at a screen pixel where it is, along one axis.
 * @param {number} at screen pixel
 * @param {number} begin screen pixel at which the picture began
 * @param {number} room
 * @param {number} before scale
 * @param {number} after scale
 */
export const anchored = (at, begin, room, before, after) => (at - begin) / before - (at - room / 2) / after;

/**
 * @typedef {object} Room
 * @property {number} width of the picture, its pixels
 * @property {number} height
 * @property {number} cells of the grid: stacks of pictures, and the film's
 * @property {number} stack pictures above each other in a cell
 * @property {number} columns at most
 * @property {boolean} [row] the columns stay beside each other for as long as they can be read, averaged where there is no
 *   room for every pixel
 * @property {number} across CSS pixels
 * @property {number | null} down CSS pixels; null where the page scrolls
 * @property {number} below CSS pixels of the window from where the pictures begin
 * @property {number} ratio screen pixels for one CSS pixel
 * @property {boolean} [projected] before an audience, where the pictures are to be as large as they can
 * @property {(width: number) => number} captions CSS pixels of height that a picture so wide needs beside itself
 */

/**
 * @typedef {object} Arrangement
 * @property {number} columns
 * @property {number} rows of pictures
 * @property {number} width CSS pixels for a picture
 * @property {number | null} height
 * @property {number} scale
 */

/**
 * Columns, rows and scale at which the pictures are as large as they can be, side by side.
 * @param {Room} room
 * @returns {Arrangement}
 */
export function arranged({
  width,
  height,
  cells,
  stack,
  columns: most,
  across,
  down,
  below,
  ratio,
  captions,
  ...wish
}) {
  const full = down !== null;
  /** @type {(Arrangement & { empty: number }) | null} */
  let best = null;
  for (let columns = full ? cells : Math.min(most, cells); columns >= 1; columns--) {
    const wide = (across - (columns - 1) * GAP) / columns;
    const rows = Math.ceil(cells / columns);
    const high = full ? (down - (rows - 1) * GAP) / rows / stack - captions(wide) : null;
    const room = Math.min(wide / width, (high ?? Infinity) / height) * ratio;
    const empty = rows * columns - cells;
    const together = Boolean(wish.row) && wide >= NARROWEST;
    const found = { columns, rows: rows * stack, width: wide, height: high, empty };
    const spare = together && room < 1 ? 0 : full || wish.projected ? SPARE : EMPTY;
    const scale = fitting(room, width, spare);
    if (!full && (columns === 1 || together || (room >= 1 && (scale * width) / ratio >= SMALLEST))) {
      // A little smaller where that brings all of them into the window.
      const fits = (below - (found.rows - 1) * GAP) / found.rows - captions(wide);
      const smaller = fitting(Math.min(room, (Math.max(fits, LEAST) / height) * ratio), width, spare);
      return { ...found, scale: fits >= NEARLY * LEAST && smaller >= 0.6 * scale ? smaller : scale };
    }
    const better = best && (scale - best.scale || best.empty - empty);
    if (better === null || better > 0) best = { ...found, scale };
  }
  if (!best) throw new Error("there must be at least one picture");
  return best;
}
