// @ts-check
// What the server says of a microscope; arrays are said by their names.

/**
 * @typedef {object} PanelData
 * @property {string} title
 * @property {string} array (C, H, W)
 * @property {number | null} span
 * @property {number[] | null} spans of each step
 * @property {string} unit
 * @property {string} note
 * @property {[name: string, value: string][]} facts
 * @property {string} alt
 * @property {string | null} strip (T, C, H, W): what is shown of each step
 * @property {string[] | null} notes of each step
 * @property {string | null} base (C, H, W): what is added to a step
 * @property {number[] | null} keys which of the film's steps the strip holds, rising; null for all
 * @property {boolean} result
 */

/**
 * @typedef {object} Film
 * @property {number[]} steps
 * @property {number} best
 * @property {string[] | null} said of each step, in a few words
 */
/** @typedef {{ title: string, zero: boolean }} TraceData */

/**
 * @typedef {object} ViewerData
 * @property {string[]} arrays
 * @property {string} view
 * @property {number} width of the pictures, their pixels
 * @property {number} height
 * @property {number} columns
 * @property {boolean} row the columns stay beside each other
 * @property {number} stack
 * @property {PanelData[]} panels
 * @property {Film | null} film
 * @property {TraceData[]} traces
 * @property {string | null} curves (traces, steps)
 */

export {};
