// @ts-check
// The film of an attack: a slider over its steps, and its scalars as curves.

import { button, make, place } from "../../shell/drawing.js";
import { clamp } from "../../shell/geometry.js";
import { short } from "../../shell/numbers.js";
import { array } from "../arrays.js";
import { along, down, nearest, path, range } from "./curves.js";
import { ICONS, icon, vector } from "./icons.js";

/** @import { Film, TraceData, ViewerData } from "./data.js" */

/**
 * @typedef {object} Screen what shows the steps
 * @property {number} position among the film's steps
 * @property {(position: number) => void} setPosition
 */

const FRAME = 120; // milliseconds of a step while playing

export class Scrubber {
  /** @param {Screen} screen */
  constructor(screen) {
    this.screen = screen;
    /** @type {Film | null} */
    this.film = null;
    /** @type {string[] | null | undefined} */
    this.notes = null; // of each step
    /** @type {TraceData[]} */
    this.traces = [];
    /** @type {Float32Array} */
    this.values = new Float32Array(0); // (traces, total)
    this.total = 0; // steps
    this.known = "";
    this.playing = 0;
    /** @type {Element | null} */
    this.dragged = null;
    /** @type {HTMLElement[]} */
    this.cursors = [];
    /** @type {HTMLOutputElement[]} */
    this.numbers = [];
    this.heading = make("div", { class: "heading" });
    this.said = make("div", { class: "said" });
    const drag = (/** @type {PointerEvent} */ event) => this.drag(event);
    this.curves = make("div", { class: "curves", onpointerdown: drag, onpointermove: drag });
    this.slider = make("input", {
      type: "range",
      min: "1",
      step: "1",
      "aria-label": "Step of the attack",
      oninput: (event) => this.goTo(Number(event.target.value)),
      onkeydown: (event) => this.key(event),
    });
    this.player = button(icon(ICONS.play), "Play", () => this.play(!this.playing));
    const back = () => this.go(this.film?.best ?? 0);
    this.best = make("button", { type: "button", title: "Back to the result", onclick: back }, "Result");
    this.controls = make(
      "div",
      { class: "controls" },
      button(icon(ICONS.back), "Step back", () => this.go(this.screen.position - 1)),
      this.player,
      button(icon(ICONS.on), "Step on", () => this.go(this.screen.position + 1)),
      this.best,
    );
    this.root = make("div", { class: "steps" }, this.heading, this.said, this.curves, this.slider, this.controls);
  }

  /** Whether there is anything to show. */
  get useful() {
    return Boolean(this.film) || this.traces.length > 0;
  }

  /** @param {string} column of the grid */
  place(column) {
    this.root.style.gridColumn = column;
  }

  /** @param {ViewerData} data */
  adopt({ film, traces, curves, panels }) {
    this.notes = panels.find((panel) => panel.notes)?.notes;
    this.film = film;
    this.traces = traces;
    if (curves) this.values = array(curves).values;
    this.total = traces.length ? this.values.length / traces.length : (film?.steps.at(-1) ?? 0);
    this.slider.max = String(this.total);
    const scrub = Boolean(film && film.steps.length > 1);
    this.slider.hidden = this.controls.hidden = !scrub;
    this.curves.classList.toggle("still", !scrub);
    this.curves.classList.toggle("many", traces.length > 4);
    const known = JSON.stringify([curves, traces, film?.best]);
    if (known === this.known) return;
    this.known = known;
    this.cursors = [];
    this.numbers = [];
    const drawn = traces.map((trace, k) =>
      this.curve(trace, this.values.subarray(k * this.total, (k + 1) * this.total)),
    );
    this.curves.replaceChildren(...drawn);
  }

  /**
   * @param {TraceData} trace
   * @param {Float32Array} values
   */
  curve({ title, zero }, values) {
    const ends = range(values, zero);
    const svg = vector("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    if (zero) svg.append(vector("path", { class: "zero", d: `M0 ${down(0, ends)}H100` }));
    if (this.film) {
      const best = along(this.film.steps[this.film.best], this.total);
      svg.append(vector("path", { class: "best", d: `M${100 * best} 0V100` }));
    }
    svg.append(vector("path", { class: "line", d: path(values, ends) }));
    const cursor = make("span", { class: "cursor" });
    const number = make("output");
    this.cursors.push(cursor);
    this.numbers.push(number);
    const name = make("div", { class: "name" }, make("span", {}, title), number);
    return make("div", { class: "curve" }, name, make("div", { class: "plot" }, svg, cursor));
  }

  draw() {
    if (!this.useful) return;
    const { film, screen } = this;
    const step = film ? film.steps[screen.position] : this.total;
    const result = film !== null && screen.position === film.best;
    const what = film && film.steps.length > 1 ? ` of ${this.total}${result ? ", the result" : ""}` : "";
    this.heading.replaceChildren(make("b", {}, `Step ${step}`), what);
    this.said.hidden = !film?.said;
    this.said.textContent = this.said.title = film?.said?.[screen.position] ?? "";
    for (const [k, cursor] of this.cursors.entries()) {
      cursor.style.left = `${100 * along(step, this.total)}%`;
      this.numbers[k].textContent = short(this.values[k * this.total + step - 1]);
    }
    this.slider.value = String(step);
    this.best.disabled = result;
    const notes = [film?.said?.[screen.position], film && this.notes?.[screen.position]].filter(Boolean);
    const facts = this.traces.map((trace, k) => `${trace.title} ${this.numbers[k].textContent}`);
    const said = [`step ${step} of ${this.total}`, ...notes, ...facts];
    this.slider.setAttribute("aria-valuetext", said.join(", "));
  }

  /** Go to the kept step that is nearest to one. @param {number} step */
  goTo(step) {
    if (this.film) this.go(nearest(this.film.steps, step));
  }

  /** @param {number} position */
  go(position) {
    if (!this.film) return;
    this.play(false);
    this.screen.setPosition(clamp(position, 0, this.film.steps.length - 1));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { position } = this.screen;
    /** @type {Record<string, number | undefined>} */
    const goals = {
      ArrowLeft: position - 1,
      ArrowDown: position - 1,
      ArrowRight: position + 1,
      ArrowUp: position + 1,
      PageDown: position - 8,
      PageUp: position + 8,
      Home: 0,
      End: Infinity,
    };
    const goal = goals[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    this.go(goal);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    const plot = (event.target instanceof Element && event.target.closest(".plot")) || this.dragged;
    if (event.type === "pointerdown" && plot && this.film) {
      this.dragged = plot;
      this.curves.setPointerCapture(event.pointerId);
    }
    if (!event.buttons || !this.dragged || !this.film) return;
    const [x] = place(this.dragged, event);
    this.goTo(1 + (x / this.dragged.getBoundingClientRect().width) * (this.total - 1));
  }

  /** @param {boolean} on */
  play(on) {
    const { film, screen } = this;
    clearInterval(this.playing);
    this.playing = 0;
    if (on && film) {
      const last = film.steps.length - 1;
      if (screen.position >= last) screen.setPosition(0);
      this.playing = window.setInterval(() => {
        if (screen.position >= last) this.play(false);
        else screen.setPosition(screen.position + 1);
      }, FRAME);
    }
    this.player.replaceChildren(icon(on ? ICONS.pause : ICONS.play));
    this.player.title = on ? "Pause" : "Play";
    this.player.setAttribute("aria-label", this.player.title);
  }
}
