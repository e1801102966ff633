// @ts-check
// Thumbnails, all of them in one array, row by row.

import { array } from "./arrays.js";
import { canvasOf, shaded } from "./levels.js";

/**
 * @typedef {object} SheetData
 * @property {string} array (C, rows * height, columns * width), in [0, 1]
 * @property {number} width of a thumbnail
 * @property {number} height
 * @property {number} columns
 */

export class Sheet {
  /** @param {SheetData} data whose array is here */
  constructor(data) {
    this.data = data;
    const { shape, values } = array(data.array);
    const [, height, width] = shape;
    this.canvas = canvasOf(shaded(values, width * height, null).rgba, width, height);
    this.url = this.canvas.toDataURL();
  }

  /**
   * Left and top of a thumbnail on the canvas.
   * @param {number} row
   * @returns {[x: number, y: number]}
   */
  corner(row) {
    const { width, height, columns } = this.data;
    return [width * (row % columns), height * Math.floor(row / columns)];
  }

  /**
   * Make an element show a thumbnail, enlarged by a whole number.
   * @param {HTMLElement} element
   * @param {number} row
   * @param {number} zoom
   */
  show(element, row, zoom) {
    const { width, height, columns } = this.data;
    const [x, y] = this.corner(row);
    Object.assign(element.style, {
      width: `${zoom * width}px`,
      height: `${zoom * height}px`,
      backgroundImage: `url(${this.url})`,
      backgroundSize: `${zoom * width * columns}px auto`,
      backgroundPosition: `-${zoom * x}px -${zoom * y}px`,
    });
  }
}
