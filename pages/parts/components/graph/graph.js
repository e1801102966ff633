// @ts-check
// The graph of a batch on one canvas. Looking (hovering, moving, enlarging) stays in the browser; a click reports the
// image.

import { brush, button, enlargeByWheel, make, ofClass, place, sized, trace, watch } from "../../shell/drawing.js";
import { clamp } from "../../shell/geometry.js";
import { mount } from "../../shell/mount.js";
import { general } from "../../shell/numbers.js";
import { array, Drawing } from "../arrays.js";
import { Sheet } from "../sheet.js";
import { dragged, drawn, edges, fitted, placed, strongest, vertex } from "./net.js";

/** @import { Point } from "../../shell/geometry.js" */
/** @import { SheetData } from "../sheet.js" */
/** @import { Camera, Edge } from "./net.js" */

/**
 * @typedef {object} GraphData names of arrays: points (n, 2), labels (n,), ends (2, m), weights, opacities, punished (m,)
 * @property {string[]} arrays
 * @property {string} view
 * @property {string} points
 * @property {string} labels
 * @property {string} ends
 * @property {string} weights the strongest last
 * @property {string} opacities
 * @property {string} punished
 * @property {number[]} extent left, right, bottom, top
 * @property {string[]} notes
 * @property {string[]} classes
 * @property {string[]} colours
 * @property {string[]} symbols
 * @property {number} picked -1 for none
 * @property {string[]} inks of edges: of what is not punished, and of what is
 * @property {SheetData} sheet
 * @property {string} alt
 */

const HIGHEST = 560;
const LEAST = 0.5; // zoom
const MOST = 30;
const STILL = 4; // CSS pixels; a press that moves less is a click
const START = { x: 0, y: 0, zoom: 1 };
/** @type {Map<string, Camera>} */
const cameras = new Map(); // view -> camera

/** @extends {Drawing<GraphData>} */
class Graph extends Drawing {
  /** @param {HTMLElement} root */
  constructor(root) {
    super(root);
    /** @type {GraphData | null} */
    this.data = null;
    /** @type {ArrayLike<number>} */
    this.points = [];
    /** @type {number[]} */
    this.labels = [];
    /** @type {Edge[]} */
    this.net = [];
    /** @type {Point[]} */
    this.places = [];
    /** @type {Sheet | null} */
    this.sheet = null;
    /** @type {{ x: number, y: number, from: Camera, moved: boolean } | null} */
    this.pressed = null;
    /** @type {{ c: number, swatch: HTMLCanvasElement }[]} */
    this.keys = [];
    this.picked = -1;
    this.pictures = false;
    this.pending = 0;
    this.scale = 1; // CSS pixels for one unit of the plane, at a zoom of 1
    this.canvas = make("canvas", { class: "board", tabindex: "0", role: "img" });
    this.legend = make("div", { class: "legend" });
    this.tip = make("div", { class: "tip", hidden: true });
    const title = "Show the images themselves, framed in their class's colour";
    const onclick = () => this.face();
    this.faces = make("button", { type: "button", "aria-pressed": "false", title, onclick }, "Pictures");
    root.replaceChildren(
      make(
        "div",
        { class: "toolbar" },
        this.faces,
        button("−", "Farther away", () => this.zoom(1 / 1.3)),
        button("+", "Nearer", () => this.zoom(1.3)),
        button("Reset view", "Reset view", () => this.look(START)),
      ),
      this.canvas,
      this.legend,
      this.tip,
    );
    this.listen();
    this.unwatch = watch(root, () => this.ask());
  }

  /** @override */
  dispose() {
    super.dispose();
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    this.unwatch();
  }

  get view() {
    return this.data?.view ?? "";
  }

  get camera() {
    return cameras.get(this.view) ?? START;
  }

  /**
   * @override
   * @param {GraphData} data
   */
  show(data) {
    this.data = data;
    const values = (/** @type {string} */ name) => array(name).values;
    this.points = values(data.points);
    this.labels = Array.from(values(data.labels));
    this.net = edges(values(data.ends), values(data.weights), values(data.opacities), values(data.punished));
    this.picked = data.picked;
    this.tip.hidden = true;
    this.canvas.setAttribute("aria-label", data.alt);
    if (this.sheet?.data.array !== data.sheet.array) this.sheet = new Sheet(data.sheet);
    const there = [...new Set(this.labels)].sort((a, b) => a - b);
    this.keys = there.map((c) => ({ c, swatch: make("canvas", { width: 32, height: 32 }) }));
    this.legend.replaceChildren(...this.keys.map(({ c, swatch }) => make("span", {}, swatch, data.classes[c])));
    this.ask();
  }

  face() {
    this.pictures = !this.pictures;
    this.faces.setAttribute("aria-pressed", String(this.pictures));
    this.ask();
  }

  listen() {
    const { canvas } = this;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pressed = { x: event.clientX, y: event.clientY, from: this.camera, moved: false };
    };
    canvas.onpointermove = (event) => {
      if (this.pressed) this.move(this.pressed, event);
      else this.say(place(canvas, event));
    };
    canvas.onpointerup = (event) => {
      if (this.pressed && !this.pressed.moved) this.pick(vertex(this.places, place(canvas, event)));
      this.release();
    };
    canvas.onpointercancel = () => this.release();
    canvas.onpointerleave = () => {
      this.tip.hidden = true;
    };
    canvas.ondblclick = () => this.look(START);
    canvas.onkeydown = (event) => this.key(event);
    enlargeByWheel(canvas, (factor) => this.zoom(factor));
  }

  /**
   * @param {{ x: number, y: number, from: Camera, moved: boolean }} pressed
   * @param {MouseEvent} event
   */
  move(pressed, event) {
    const [dx, dy] = [event.clientX - pressed.x, event.clientY - pressed.y];
    if (!pressed.moved && Math.hypot(dx, dy) < STILL) return;
    pressed.moved = true;
    this.tip.hidden = true;
    this.canvas.classList.add("held");
    this.look(dragged(pressed.from, dx, dy, this.scale));
  }

  release() {
    this.pressed = null;
    this.canvas.classList.remove("held");
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const n = this.labels.length;
    /** @type {Record<string, (() => void) | undefined>} */
    const acts = {
      "+": () => this.zoom(1.3),
      "-": () => this.zoom(1 / 1.3),
      Home: () => this.look(START),
      Escape: () => this.pick(-1),
      ArrowRight: () => this.pick((this.picked + 1) % n),
      ArrowLeft: () => this.pick((Math.max(this.picked, 0) + n - 1) % n),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** @param {number} row */
  pick(row) {
    if (row === this.picked) return;
    this.picked = row;
    this.ask();
    this.report(row);
  }

  /** @param {Camera} camera */
  look(camera) {
    cameras.set(this.view, { ...camera, zoom: clamp(camera.zoom, LEAST, MOST) });
    this.ask();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.look({ ...this.camera, zoom: this.camera.zoom * factor });
  }

  /** @param {Point} at */
  say(at) {
    const { canvas, data, labels, tip } = this;
    if (!data) return;
    const row = vertex(this.places, at);
    const edge = row < 0 ? strongest(this.net, this.places, this.picked, at) : undefined;
    canvas.classList.toggle("over", row >= 0);
    tip.hidden = row < 0 && !edge;
    if (tip.hidden) return;
    const rows = edge ? [edge.i, edge.j] : [row];
    const names = rows.map((r) => data.classes[labels[r]]).join(" – ");
    const text = edge ? `${names}: weight ${general(edge.weight, 3)}` : `${names}: ${data.notes[row]}`;
    tip.replaceChildren(make("div", { class: "pictures" }, ...rows.map((r) => this.thumbnail(r))), text);
    const [x, y] = at;
    const side = x > canvas.clientWidth / 2 ? -tip.offsetWidth - 14 : 14;
    const lower = clamp(y + 10, 0, Math.max(0, canvas.clientHeight - tip.offsetHeight));
    tip.style.left = `${x + side}px`;
    tip.style.top = `${canvas.offsetTop + lower}px`;
  }

  /** @param {number} row */
  thumbnail(row) {
    const picture = make("span");
    if (this.sheet) this.sheet.show(picture, row, Math.max(1, Math.floor(84 / this.sheet.data.height)));
    return picture;
  }

  ask() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.pending = 0;
    const { canvas, data, labels, picked } = this;
    if (!this.root.isConnected || !data) return;
    const width = canvas.clientWidth;
    const height = Math.min(HIGHEST, Math.max(260, width * 0.9));
    const context = sized(canvas, width, height);
    const style = getComputedStyle(this.root);
    const paper = style.getPropertyValue("--st-background-color");
    const colour = (/** @type {number} */ c) => ofClass(data.colours, c);
    this.scale = fitted(data.extent, width, height);
    this.places = placed(this.points, data.extent, this.camera, width, height);
    const count = this.join(context, data.inks);
    const faces = this.pictures;
    this.places.forEach(([u, v], row) => {
      const c = labels[row];
      if (faces) this.frame(context, u, v, row, colour(c));
      else {
        trace(context, ofClass(data.symbols, c), u, v, 6.5);
        context.fillStyle = colour(c);
        context.fill();
        context.strokeStyle = paper;
        context.lineWidth = 1;
        context.stroke();
      }
    });
    if (picked >= 0) {
      const [u, v] = this.places[picked];
      context.beginPath();
      context.arc(u, v, faces ? 22 : 12, 0, 2 * Math.PI);
      context.strokeStyle = data.inks[1];
      context.lineWidth = 3;
      context.stroke();
    }
    for (const { c, swatch } of this.keys) {
      const small = brush(swatch);
      small.clearRect(0, 0, 32, 32);
      small.fillStyle = colour(c);
      trace(small, ofClass(data.symbols, c), 16, 16, 11);
      small.fill();
    }
    this.root.dataset.edges = String(count);
    this.root.dataset.places = JSON.stringify(this.places.map((spot) => spot.map(Math.round)));
  }

  /**
   * Draw the edges; returns how many.
   * @param {CanvasRenderingContext2D} context
   * @param {string[]} inks
   */
  join(context, inks) {
    let count = 0;
    for (const red of [false, true]) {
      context.strokeStyle = inks[Number(red)]; // what is punished lies above the rest
      for (const edge of this.net) {
        if (edge.punished !== red || !drawn(edge, this.picked)) continue;
        context.globalAlpha = (red ? 0.95 : 0.45) * edge.opacity;
        context.lineWidth = 0.6 + (red ? 2.6 : 0.8) * edge.opacity;
        context.beginPath();
        context.moveTo(...this.places[edge.i]);
        context.lineTo(...this.places[edge.j]);
        context.stroke();
        count++;
      }
    }
    context.globalAlpha = 1;
    return count;
  }

  /**
   * The image itself, pixel for pixel of the screen's CSS pixels, in a frame of its class's colour.
   * @param {CanvasRenderingContext2D} context
   * @param {number} u
   * @param {number} v
   * @param {number} row
   * @param {string} colour
   */
  frame(context, u, v, row, colour) {
    if (!this.sheet) return;
    const { width, height } = this.sheet.data;
    const [left, top] = [Math.round(u - width / 2), Math.round(v - height / 2)];
    context.fillStyle = colour;
    context.fillRect(left - 2, top - 2, width + 4, height + 4);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.sheet.canvas, ...this.sheet.corner(row), width, height, left, top, width, height);
  }
}

export default mount(".graph", (root) => new Graph(root));
