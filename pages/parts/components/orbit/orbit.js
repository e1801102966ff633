// @ts-check
// Points in three dimensions on plain canvases. One camera for all views of an element; it is kept by name for as long
// as the window is open, so that new data (a slider has moved) leave it alone.

import { brush, button, enlargeByWheel, make, place, sized, trace, watch } from "../../shell/drawing.js";
import { clamp } from "../../shell/geometry.js";
import { mount } from "../../shell/mount.js";
import { array, Drawing } from "../arrays.js";
import { dragged, limited, outline, pointed, pressed, projection, START } from "./camera.js";

/** @import { Camera, Spot } from "./camera.js" */

/**
 * @typedef {object} Cloud
 * @property {string} name
 * @property {number[]} rows from, to: of the points
 * @property {string} colour
 * @property {string} symbol
 * @property {number} size of a marker, in CSS pixels
 * @property {boolean} solid
 * @property {string[]} labels
 * @property {string[]} notes
 * @property {boolean} legend
 */

/**
 * @typedef {object} Lines
 * @property {number[]} starts from, to: of the points
 * @property {number[]} ends
 * @property {boolean} strong
 * @property {string[]} labels
 */

/**
 * @typedef {object} SceneData
 * @property {string} title
 * @property {number} radius
 * @property {number} sphere
 * @property {string} note
 * @property {string} alt
 * @property {Cloud[]} clouds
 * @property {Lines[]} lines
 */

/**
 * @typedef {object} OrbitData
 * @property {string[]} arrays
 * @property {string} view
 * @property {number} height
 * @property {string} points name of the array (n, 3) of all points of all scenes
 * @property {SceneData[]} scenes
 */

/**
 * @typedef {object} Theme
 * @property {string} text
 * @property {string} ground
 * @property {string} primary
 * @property {string} font
 * @property {number} em
 */

/** @typedef {Spot & { colour: string, symbol: string, size: number, solid: boolean, note: string }} Marker */
/** @typedef {{ depth: number, from: Spot, to: Spot, strong: boolean }} Line */
/** @typedef {{ x: number, y: number, text: string, strong: boolean }} Written */

const SPIN = 0.35; // radians a second
/** @type {Map<string, Camera>} */
const cameras = new Map(); // view -> camera

class Scene {
  /** @param {Orbit} orbit */
  constructor(orbit) {
    this.orbit = orbit;
    /** @type {SceneData | null} */
    this.data = null;
    /** @type {Marker[]} */
    this.drawn = [];
    this.canvas = make("canvas", { tabindex: "0", role: "img" });
    this.caption = make("figcaption");
    this.note = make("span", { class: "note" });
    this.said = make("div", { class: "said", hidden: true });
    this.figure = make("figure", {}, this.caption, this.canvas, this.said, this.note);
    this.listen();
  }

  listen() {
    const { canvas, orbit } = this;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      orbit.pointers.set(event.pointerId, [event.clientX, event.clientY]);
      canvas.classList.add("held");
      orbit.spin(false);
    };
    canvas.onpointermove = (event) => {
      if (orbit.pointers.has(event.pointerId)) orbit.move(canvas, event);
      else this.say(event);
    };
    canvas.onpointerup = canvas.onpointercancel = (event) => {
      orbit.pointers.delete(event.pointerId);
      canvas.classList.remove("held");
    };
    canvas.onpointerleave = () => {
      this.said.hidden = true;
    };
    canvas.ondblclick = () => orbit.look(START);
    canvas.onkeydown = (event) => orbit.key(event);
    enlargeByWheel(canvas, (factor) => orbit.zoom(factor));
  }

  /** @param {SceneData} data */
  adopt(data) {
    this.data = data;
    this.caption.textContent = data.title;
    this.caption.hidden = !data.title;
    this.note.textContent = data.note;
    this.canvas.setAttribute("aria-label", data.alt);
    this.said.hidden = true;
  }

  /** @param {MouseEvent} event */
  say(event) {
    const { canvas, said } = this;
    const found = pointed(this.drawn, ...place(canvas, event));
    said.hidden = !found;
    if (!found) return;
    const box = canvas.getBoundingClientRect();
    said.textContent = found.note;
    said.style.left = `${clamp(found.x + 10, 0, box.width - 150)}px`;
    said.style.top = `${canvas.offsetTop + clamp(found.y + 10, 0, box.height - 30)}px`;
  }

  /**
   * @param {Float32Array} points
   * @param {Theme} theme
   */
  paint(points, theme) {
    const { canvas, data, orbit } = this;
    if (!data) return;
    const width = canvas.clientWidth;
    const height = Math.min(orbit.height, Math.max(260, width * 0.9));
    const context = sized(canvas, width, height);
    const project = projection(orbit.camera, data.radius, width, height);
    if (data.sphere) {
      context.beginPath(); // the outline of a sphere in perspective
      const reach = outline(data.sphere / data.radius, orbit.camera.zoom, width, height);
      context.arc(width / 2, height / 2, reach, 0, 2 * Math.PI);
      context.strokeStyle = theme.text;
      context.globalAlpha = 0.3;
      context.lineWidth = 1;
      context.stroke();
    }
    const origin = project([0, 0, 0], 0);
    context.fillStyle = theme.text;
    context.globalAlpha = 0.6;
    context.fillRect(origin.x - 1.5, origin.y - 1.5, 3, 3);
    /** @type {(Marker | Line)[]} */
    const items = [];
    /** @type {Written[]} */
    const written = [];
    for (const { starts, ends, strong, labels } of data.lines) {
      for (let i = 0; i < starts[1] - starts[0]; i++) {
        const [from, to] = [project(points, starts[0] + i), project(points, ends[0] + i)];
        items.push({ depth: (from.depth + to.depth) / 2 - 0.02, from, to, strong });
        if (!labels[i]) continue;
        written.push({ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2, text: labels[i], strong: true });
      }
    }
    this.drawn = [];
    for (const { name, rows, colour, symbol, size, solid, labels, notes } of data.clouds) {
      for (let i = 0; i < rows[1] - rows[0]; i++) {
        const at = project(points, rows[0] + i);
        const item = { ...at, colour, symbol, size, solid, note: notes[i] ?? name };
        items.push(item);
        this.drawn.push(item);
        if (labels[i]) written.push({ x: at.x + size * 1.3 + 3, y: at.y - size, text: labels[i], strong: false });
      }
    }
    items.sort((a, b) => a.depth - b.depth);
    for (const item of items) this.put(context, item, theme);
    this.write(context, written, theme);
    canvas.dataset.points = String(this.drawn.length);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Marker | Line} item
   * @param {Theme} theme
   */
  put(context, item, theme) {
    const near = clamp(0.5 + item.depth / 2, 0, 1);
    if ("from" in item) {
      context.beginPath();
      context.moveTo(item.from.x, item.from.y);
      context.lineTo(item.to.x, item.to.y);
      context.strokeStyle = item.strong ? theme.primary : theme.text;
      context.globalAlpha = item.strong ? 1 : 0.16 + 0.3 * near;
      context.lineWidth = item.strong ? 3 : 1;
      context.stroke();
      return;
    }
    trace(context, item.symbol, item.x, item.y, item.size * item.scale * 1.25);
    context.globalAlpha = item.solid ? 1 : 0.45 + 0.4 * near;
    context.fillStyle = item.colour;
    context.fill();
    context.globalAlpha = item.solid ? 0.9 : 0.3;
    context.strokeStyle = theme.text;
    context.lineWidth = item.solid ? 1.4 : 0.6;
    context.stroke();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Written[]} written
   * @param {Theme} theme
   */
  write(context, written, theme) {
    context.globalAlpha = 1;
    context.font = `${Math.max(14, 0.9 * theme.em)}px ${theme.font}`;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const { x, y, text, strong } of written) {
      context.strokeStyle = theme.ground;
      context.lineWidth = 4;
      context.strokeText(text, x, y);
      context.fillStyle = strong ? theme.primary : theme.text;
      context.fillText(text, x, y);
    }
  }
}

/** @extends {Drawing<OrbitData>} */
class Orbit extends Drawing {
  /** @param {HTMLElement} root */
  constructor(root) {
    super(root);
    /** @type {OrbitData | null} */
    this.data = null;
    /** @type {Scene[]} */
    this.scenes = [];
    /** @type {Map<number, [x: number, y: number]>} */
    this.pointers = new Map();
    this.pending = 0;
    this.last = 0;
    this.spinning = false;
    /** @type {{ cloud: Cloud, swatch: HTMLCanvasElement }[]} */
    this.keys = [];
    this.spinner = make("button", { type: "button", "aria-pressed": "false" }, "Spin");
    this.spinner.onclick = () => this.spin(!this.spinning);
    this.grid = make("div", { class: "scenes" });
    this.legend = make("div", { class: "legend" });
    root.replaceChildren(
      make(
        "div",
        { class: "toolbar" },
        this.spinner,
        button("−", "Farther away", () => this.zoom(1 / 1.25)),
        button("+", "Nearer", () => this.zoom(1.25)),
        button("Reset view", "Reset view", () => this.look(START)),
        make("span", { class: "hint" }, "Drag to walk around, or use the arrow keys."),
      ),
      this.grid,
      this.legend,
    );
    this.unwatch = watch(root, () => this.ask());
  }

  /** @override */
  dispose() {
    super.dispose();
    cancelAnimationFrame(this.pending);
    this.unwatch();
  }

  get view() {
    return this.data?.view ?? "";
  }

  get height() {
    return this.data?.height ?? 0;
  }

  get camera() {
    return cameras.get(this.view) ?? START;
  }

  /**
   * @override
   * @param {OrbitData} data
   */
  show(data) {
    this.data = data;
    for (const gone of this.scenes.splice(data.scenes.length)) gone.figure.remove();
    while (this.scenes.length < data.scenes.length) {
      const scene = new Scene(this);
      this.scenes.push(scene);
      this.grid.append(scene.figure);
    }
    this.scenes.forEach((scene, i) => {
      scene.adopt(data.scenes[i]);
    });
    /** @type {Map<string, Cloud>} */
    const known = new Map();
    for (const cloud of data.scenes.flatMap(({ clouds }) => clouds)) {
      if (cloud.legend && !known.has(cloud.name)) known.set(cloud.name, cloud);
    }
    this.keys = [...known.values()].map((cloud) => ({ cloud, swatch: make("canvas", { width: 32, height: 32 }) }));
    this.legend.replaceChildren(...this.keys.map(({ cloud, swatch }) => make("span", {}, swatch, cloud.name)));
    this.ask();
  }

  /** @param {Camera} camera */
  look(camera) {
    cameras.set(this.view, limited(camera));
    this.ask();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.look({ ...this.camera, zoom: this.camera.zoom * factor });
  }

  /** How far two fingers are apart; 0 for one. */
  gap() {
    const [a, b] = this.pointers.values();
    return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {PointerEvent} event
   */
  move(canvas, { pointerId, clientX, clientY }) {
    const [x, y] = this.pointers.get(pointerId) ?? [clientX, clientY];
    const gap = this.gap();
    this.pointers.set(pointerId, [clientX, clientY]);
    if (gap) this.zoom(this.gap() / gap);
    else this.look(dragged(this.camera, clientX - x, clientY - y, canvas.clientWidth));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const goal = pressed(this.camera, event.key);
    if (!goal) return;
    event.preventDefault();
    this.look(goal);
  }

  /** @param {boolean} on */
  spin(on) {
    this.spinning = on;
    this.spinner.setAttribute("aria-pressed", String(on));
    this.last = performance.now();
    if (on) this.ask();
  }

  ask() {
    if (!this.pending) this.pending = requestAnimationFrame((now) => this.draw(now));
  }

  /** @param {number} now */
  draw(now) {
    this.pending = 0;
    if (!this.root.isConnected || !this.data) return;
    if (this.spinning) {
      const { turn, tilt, zoom } = this.camera;
      cameras.set(this.view, { turn: turn + (SPIN * Math.min(now - this.last, 100)) / 1000, tilt, zoom });
      this.last = now;
      this.ask();
    }
    const style = getComputedStyle(this.root);
    const theme = {
      text: style.color,
      ground: style.getPropertyValue("--st-background-color"),
      primary: style.getPropertyValue("--st-primary-color"),
      font: style.fontFamily,
      em: parseFloat(style.fontSize),
    };
    const { values } = array(this.data.points);
    for (const scene of this.scenes) scene.paint(values, theme);
    for (const { cloud, swatch } of this.keys) {
      const context = brush(swatch);
      context.clearRect(0, 0, 32, 32);
      trace(context, cloud.symbol, 16, 16, 10);
      context.fillStyle = cloud.colour;
      context.fill();
      context.strokeStyle = theme.text;
      context.globalAlpha = 0.7;
      context.lineWidth = 1.5;
      context.stroke();
      context.globalAlpha = 1;
    }
    const { turn, tilt, zoom } = this.camera;
    this.root.dataset.camera = JSON.stringify([turn, tilt, zoom]);
  }
}

export default mount(".orbit", (root) => new Orbit(root));
