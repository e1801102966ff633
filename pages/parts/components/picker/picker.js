// @ts-check
// A wall of thumbnails; a click (or Enter) reports the number of the picture.

import { make } from "../../shell/drawing.js";
import { mount } from "../../shell/mount.js";
import { Drawing } from "../arrays.js";
import { Sheet } from "../sheet.js";

/** @import { SheetData } from "../sheet.js" */

/**
 * @typedef {object} Wall
 * @property {string[]} arrays
 * @property {SheetData} sheet
 * @property {number} zoom
 * @property {{ row: number, label: string }[]} items in the order of the sheet
 * @property {number} selected row
 */

/** @extends {Drawing<Wall>} */
class Picker extends Drawing {
  /**
   * @override
   * @param {Wall} data
   */
  show({ sheet, zoom, items, selected }) {
    if (sheet.array !== this.sheet?.data.array) this.sheet = new Sheet(sheet);
    const buttons = items.map(({ row, label }, cell) => {
      const button = make("button", {
        type: "button",
        title: label,
        "aria-label": label,
        "aria-pressed": String(row === selected),
        onclick: () => this.report(row),
      });
      this.sheet?.show(button, cell, zoom);
      return button;
    });
    this.root.replaceChildren(...buttons);
  }
}

export default mount(".wall", (root) => new Picker(root));
