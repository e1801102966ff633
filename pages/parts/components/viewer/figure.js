// @ts-check

import { make } from "../../shell/drawing.js";

/** @type {WeakMap<Element, Figure>} */
const figures = new WeakMap(); // its frame -> figure

/** A canvas with its title above and note, readout and facts below. */
export class Figure {
  constructor() {
    this.title = make("figcaption");
    this.canvas = make("canvas", { role: "img", tabindex: "-1" });
    this.cross = make("span", { class: "cross", hidden: true });
    this.frame = make("div", { class: "frame" }, this.canvas, this.cross);
    this.note = make("div", { class: "note" });
    this.readout = make("div", { class: "readout", hidden: true });
    this.facts = make("dl", { class: "facts" });
    const below = make("div", { class: "below" }, this.note, this.readout);
    this.root = make("figure", {}, this.title, this.frame, below, this.facts);
    this.described = "";
    figures.set(this.frame, this);
  }

  /**
   * The figure in whose frame an element is.
   * @param {EventTarget | null} target
   */
  static of(target) {
    const frame = target instanceof Element && target.closest(".frame");
    return frame ? figures.get(frame) : undefined;
  }

  /**
   * @param {string} title
   * @param {string} note
   * @param {string} alt
   * @param {[name: string, value: string][]} facts
   */
  describe(title, note, alt, facts) {
    const described = JSON.stringify([title, note, alt, facts]);
    if (described === this.described) return;
    this.described = described;
    this.title.textContent = this.title.title = title;
    this.note.textContent = this.note.title = note;
    this.canvas.setAttribute("aria-label", alt);
    this.canvas.dataset.title = title;
    const rows = facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    this.facts.replaceChildren(...rows);
  }

  /**
   * @param {number} width screen pixels
   * @param {number} height
   * @param {number} ratio of them for one CSS pixel
   */
  resize(width, height, ratio) {
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.canvas.style.width = `${width / ratio}px`;
    this.canvas.style.height = `${height / ratio}px`;
    this.root.style.width = `${width / ratio}px`;
  }
}
