// @ts-check
// Embeddings side by side: drawn, played, hovered over and selected.

import { brush, make, ofClass, place, trace } from "../../shell/drawing.js";
import { box } from "../../shell/geometry.js";
import { mount } from "../../shell/mount.js";
import { ticks } from "../../shell/numbers.js";
import { array, Drawing } from "../arrays.js";
import { Sheet } from "../sheet.js";
import { borders, dragged, enclosed, fitted, moment, onScreen, positions, stamp, under, zoomed } from "./plane.js";

/** @import { Point } from "../../shell/geometry.js" */
/** @import { SheetData } from "../sheet.js" */
/** @import { View } from "./plane.js" */

/**
 * @typedef {object} PanelData
 * @property {string} title
 * @property {number[]} epochs
 * @property {string} points name of an array (epochs, n, 2)
 * @property {string} answers name of an array (epochs, n)
 * @property {number[]} extent
 * @property {string} note
 * @property {RegionsData | null} regions
 */

/**
 * What a network names where.
 * @typedef {object} RegionsData
 * @property {string} answers name of an array (rows, columns), the first row uppermost
 * @property {number} rows
 * @property {number} columns
 * @property {number[]} extent of the plane
 */

/** @typedef {{ points: string, flip: number | null } | null} TrailData points: name of an array (T, 2) */

/**
 * @typedef {object} Content
 * @property {PanelData[]} panels
 * @property {string} labels name of an array (n,)
 * @property {string} indices name of an array (n,)
 * @property {string[]} classes
 * @property {string[]} colours
 * @property {string[]} muted
 * @property {string[]} symbols
 * @property {SheetData} sheet
 */

/** @typedef {{ arrays: string[], content: Content, selected: number[], trails: TrailData[] }} ScatterData */

/** @typedef {"lasso" | "box" | "move"} Mode */
/** @typedef {{ path: Point[], moved: number }} Drag path: where it has been, from its start on */

const GAP = 16;
const NARROWEST = 210; // of a panel, in CSS pixels; below that they stand above each other
const HIGHEST = 460;
const STEP = 420; // milliseconds from one epoch to the next
const DAMPED = 0.45; // opacity of what is not selected
const SHADE = 0.2; // opacity of a region's colour
const BORDER = 0.45; // opacity of the line between two regions
/** @type {Content} */
const NOTHING = {
  panels: [],
  labels: "",
  indices: "",
  classes: [],
  colours: [],
  muted: [],
  symbols: [],
  sheet: { array: "", width: 0, height: 0, columns: 1 },
};

/** One embedding on its canvas. */
class Panel {
  /**
   * @param {Plot} plot
   * @param {PanelData} data
   */
  constructor(plot, data) {
    this.plot = plot;
    this.data = data;
    this.points = array(data.points).values;
    this.answers = array(data.answers).frames;
    /** @type {View | null} */
    this.seen = null;
    /** @type {Drag | null} */
    this.drag = null;
    /** @type {HTMLCanvasElement | null} */
    this.tint = null; // its regions, a pixel a cell
    const described = `${data.title}: ${plot.n} images as points. ${data.note}`;
    this.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": described });
    this.when = make("span", { class: "when" });
    const caption = make("figcaption", { title: data.title }, make("b", {}, data.title), this.when);
    this.figure = make("figure", {}, caption, this.canvas, make("p", { class: "note" }, data.note));
    this.listen();
  }

  get view() {
    this.seen ??= fitted(this.data.extent, this.plot);
    return this.seen;
  }

  get moment() {
    return moment(this.data.epochs, this.plot.epochs, this.plot.time);
  }

  /** Where the points are now, in the plane: [x, y, x, y, ...]. */
  get positions() {
    return positions(this.points, this.plot.n, this.moment);
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  screen(x, y) {
    return onScreen(this.view, this.plot, x, y);
  }

  /** The class that the network names at this moment. @param {number} row */
  answer(row) {
    return this.answers[this.moment.from * this.plot.n + row];
  }

  /** @param {number} ratio */
  resize(ratio) {
    const { width, height } = this.plot;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.seen = null;
  }

  paint() {
    const { canvas, plot, view } = this;
    const ratio = devicePixelRatio || 1;
    const context = brush(canvas, { willReadFrequently: true });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = plot.paper;
    context.fillRect(0, 0, plot.width, plot.height);
    this.regions(context);
    this.axes(context);
    const where = this.positions;
    const { labels, n, selected } = plot;
    const radius = n > 4000 ? 2.4 : n > 1500 ? 3.4 : 4.6;
    const lit = (/** @type {number} */ i) => !selected.size || selected.has(i);
    const { symbols } = plot.content;
    const muted = symbols.map((_, kind) => plot.sprite(kind, radius, ratio, ofClass(plot.content.muted, kind)));
    const coloured = symbols.map((_, kind) => plot.sprite(kind, radius, ratio, plot.colour(kind)));
    const [ox, oy, scale] = [(ratio * plot.width) / 2, (ratio * plot.height) / 2, ratio * view.scale];
    const half = coloured[0].width / 2;
    const picture = context.getImageData(0, 0, canvas.width, canvas.height);
    for (const bright of selected.size ? [false, true] : [true]) {
      const sprites = bright ? coloured : muted;
      const opacity = bright ? (n > 4000 ? 0.7 : 0.85) : DAMPED;
      for (let i = 0; i < n; i++) {
        if (lit(i) !== bright || plot.hidden.has(labels[i])) continue;
        const x = Math.round(ox + scale * (where[2 * i] - view.x) - half);
        const y = Math.round(oy - scale * (where[2 * i + 1] - view.y) - half);
        stamp(picture, ofClass(sprites, labels[i]), x, y, opacity);
      }
    }
    context.putImageData(picture, 0, 0);
    if (plot.errors) {
      context.strokeStyle = plot.ink;
      context.lineWidth = 1.6;
      for (let i = 0; i < n; i++) {
        if (this.answer(i) === labels[i] || plot.hidden.has(labels[i]) || !lit(i)) continue;
        const [x, y] = this.screen(where[2 * i], where[2 * i + 1]);
        context.beginPath();
        context.arc(x, y, radius + 3.5, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    this.trail(context);
    this.outline(context);
    // For whoever wants to know where a point is on the screen.
    canvas.dataset.view = JSON.stringify([view.x, view.y, view.scale, plot.width, plot.height]);
    canvas.dataset.epoch = String(this.data.epochs[this.moment.from]);
    this.when.textContent = plot.epochs.length > 1 ? `after epoch ${canvas.dataset.epoch}` : "";
  }

  /**
   * What the finished network names where, behind all else.
   * @param {CanvasRenderingContext2D} context
   */
  regions(context) {
    const { regions } = this.data;
    const shown = regions !== null && this.plot.finished;
    this.canvas.dataset.regions = String(shown);
    if (!shown) return;
    this.tint ??= this.tinted(regions);
    const [left, right, bottom, top] = regions.extent;
    const [x, y] = this.screen(left, top);
    const [u, v] = this.screen(right, bottom);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.tint, x, y, u - x, v - y);
  }

  /** @param {RegionsData} regions */
  tinted({ answers, rows, columns }) {
    const { plot } = this;
    const { frames } = array(answers);
    const canvas = make("canvas", { width: columns, height: rows });
    const context = brush(canvas);
    for (const [c, edge] of borders(frames, rows, columns).entries()) {
      context.globalAlpha = edge ? BORDER : SHADE;
      context.fillStyle = edge ? plot.ink : plot.colour(frames[c]);
      context.fillRect(c % columns, Math.floor(c / columns), 1, 1);
    }
    return canvas;
  }

  /** @param {CanvasRenderingContext2D} context */
  axes(context) {
    const { plot, view } = this;
    const { width, height } = plot;
    const [halfX, halfY] = [width / 2 / view.scale, height / 2 / view.scale];
    context.strokeStyle = plot.ink;
    context.fillStyle = plot.ink;
    context.lineWidth = 1;
    context.font = `12px ${getComputedStyle(plot.root).fontFamily}`;
    context.textBaseline = "alphabetic";
    for (const { value, text } of ticks(view.x - halfX, view.x + halfX, width / 90)) {
      const [x] = this.screen(value, 0);
      context.globalAlpha = 0.1;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, height);
      context.stroke();
      context.globalAlpha = 0.62;
      context.textAlign = "center";
      if (x > 24 && x < width - 24) context.fillText(text, x, height - 5);
    }
    for (const { value, text } of ticks(view.y - halfY, view.y + halfY, height / 80)) {
      const [, y] = this.screen(0, value);
      context.globalAlpha = 0.1;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.stroke();
      context.globalAlpha = 0.62;
      context.textAlign = "left";
      if (y > 14 && y < height - 22) context.fillText(text, 5, y + 4);
    }
    context.globalAlpha = 1;
  }

  /**
   * The way of an attack: from a ring to a cross, with a flag where the answer changes.
   * @param {CanvasRenderingContext2D} context
   */
  trail(context) {
    const { plot } = this;
    const trail = plot.trails[plot.panels.indexOf(this)];
    if (!trail || !plot.finished) return; // it is the finished network that was attacked
    const { values } = array(trail.points);
    const way = Array.from({ length: values.length / 2 }, (_, i) => this.screen(values[2 * i], values[2 * i + 1]));
    const line = (/** @type {string} */ colour, /** @type {number} */ width) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.lineJoin = "round";
      context.beginPath();
      way.forEach(([x, y], i) => {
        context[i ? "lineTo" : "moveTo"](x, y);
      });
      context.stroke();
    };
    line(plot.paper, 6);
    line(plot.ink, 2.5);
    const last = way.length - 1;
    const { flip } = trail;
    this.spot(context, way[0], "circle", 6, "clean", 16);
    if (flip !== null && flip < last) this.spot(context, way[flip], "star", 9, "label flips", 4);
    const end = flip === null ? "still the same label" : flip === last ? "adversarial, label flips" : "adversarial";
    this.spot(context, way[last], "x", 7, end, -8);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Point} at
   * @param {string} symbol
   * @param {number} radius
   * @param {string} text
   * @param {number} up
   */
  spot(context, [x, y], symbol, radius, text, up) {
    const { plot } = this;
    trace(context, symbol, x, y, radius);
    context.fillStyle = plot.ink;
    context.strokeStyle = plot.paper;
    context.lineWidth = 2;
    context.fill();
    context.stroke();
    context.font = `600 13px ${getComputedStyle(plot.root).fontFamily}`;
    const room = context.measureText(text).width + 12;
    const side = x + radius + room < plot.width ? 1 : -1;
    context.textAlign = side > 0 ? "left" : "right";
    context.lineWidth = 4;
    context.strokeText(text, x + side * (radius + 4), y + up);
    context.fillText(text, x + side * (radius + 4), y + up);
  }

  /** Corners of what a drag encloses. @param {Drag} drag */
  corners({ path }) {
    return this.plot.mode === "lasso" ? path : box(path[0], path[path.length - 1]);
  }

  /** @param {CanvasRenderingContext2D} context */
  outline(context) {
    if (!this.drag || this.plot.mode === "move") return;
    context.strokeStyle = this.plot.ink;
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.beginPath();
    this.corners(this.drag).forEach(([x, y], i) => {
      context[i ? "lineTo" : "moveTo"](x, y);
    });
    context.closePath();
    context.stroke();
    context.setLineDash([]);
  }

  /** The row under a place on the screen; -1 for none. @param {Point} at */
  under(at) {
    return under(at, this.positions, this.view, this.plot, (row) => this.plot.visible(row));
  }

  listen() {
    const { canvas, plot } = this;
    const on = canvas.addEventListener.bind(canvas);
    on("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      const at = place(canvas, event);
      this.drag = { path: [at], moved: 0 };
    });
    on("pointermove", (event) => {
      const at = place(canvas, event);
      if (this.drag) this.move(this.drag, at);
      else plot.hover(this, at, event);
    });
    on("pointerup", (event) => this.drop(place(canvas, event)));
    on("pointercancel", () => {
      this.drag = null;
      plot.draw();
    });
    on("pointerleave", () => {
      plot.tip.hidden = true;
    });
    const turned = (/** @type {WheelEvent} */ event) => {
      if (plot.mode !== "move" && !event.ctrlKey) return; // the page scrolls
      event.preventDefault();
      this.zoom(place(canvas, event), Math.exp(-event.deltaY / 400));
    };
    on("wheel", turned, { passive: false });
    on("dblclick", () => plot.reset());
    on("keydown", ({ key }) => {
      const factor = key === "+" || key === "=" ? 1.25 : key === "-" ? 0.8 : null;
      if (factor) this.zoom([plot.width / 2, plot.height / 2], factor);
      else if (key === "0") plot.reset();
      else if (key === "Escape") plot.pick([]);
    });
  }

  /**
   * @param {Drag} drag
   * @param {Point} at
   */
  move(drag, at) {
    const { plot } = this;
    plot.tip.hidden = true;
    const [x, y] = drag.path[drag.path.length - 1];
    const [dx, dy] = [at[0] - x, at[1] - y];
    drag.moved += Math.abs(dx) + Math.abs(dy);
    drag.path.push(at);
    if (plot.mode === "move") this.seen = dragged(this.view, dx, dy);
    plot.draw();
  }

  /** A drag ends: a click where it has hardly moved. @param {Point} at */
  drop(at) {
    const { drag, plot } = this;
    if (!drag) return;
    this.drag = null;
    if (drag.moved < 5) {
      const row = this.under(at);
      if (row >= 0 || plot.selected.size) plot.pick(row < 0 ? [] : [row]);
    } else if (plot.mode !== "move") {
      const visible = (/** @type {number} */ row) => plot.visible(row);
      plot.pick(enclosed(this.corners(drag), this.positions, this.view, plot, visible));
    }
  }

  /**
   * @param {Point} at
   * @param {number} factor
   */
  zoom(at, factor) {
    this.seen = zoomed(this.view, this.plot, at, factor);
    this.plot.draw();
  }
}

/** @extends {Drawing<ScatterData>} */
class Plot extends Drawing {
  /** @param {HTMLElement} root */
  constructor(root) {
    super(root);
    /** @type {Mode} */
    this.mode = "lasso";
    this.errors = false;
    /** @type {Set<number>} */
    this.hidden = new Set(); // classes
    /** @type {Set<number>} */
    this.selected = new Set(); // rows
    /** @type {TrailData[]} */
    this.trails = [];
    /** @type {Panel[]} */
    this.panels = [];
    /** @type {number[]} */
    this.epochs = []; // of all panels
    this.time = 0; // position among `epochs`; between two while playing
    this.known = ""; // the content, written down
    this.content = NOTHING;
    /** @type {ArrayLike<number>} */
    this.labels = [];
    /** @type {ArrayLike<number>} */
    this.indices = []; // of the images, in the test set
    /** @type {Sheet | null} */
    this.sheet = null;
    /** @type {Map<string, ImageData>} */
    this.sprites = new Map();
    this.running = 0;
    this.n = 0;
    this.width = 0; // of a panel, CSS pixels
    this.height = 0;
    this.ink = "";
    this.paper = "";
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(root);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");

    const press = (/** @type {() => void} */ onclick, /** @type {string} */ text, /** @type {string} */ title) =>
      make("button", { type: "button", title: title || null, onclick }, text);
    const tool = (/** @type {Mode} */ mode, /** @type {string} */ text, /** @type {string} */ title) => {
      const made = press(() => this.choose(mode), text, title);
      made.setAttribute("aria-pressed", String(this.mode === mode));
      return { mode, made };
    };
    this.tools = [
      tool("lasso", "Lasso", "Draw round points to select them"),
      tool("box", "Box", "Draw a box to select what is in it"),
      tool("move", "Move", "Drag to move, turn the wheel to zoom"),
    ];
    this.clear = press(() => this.pick([]), "Clear selection", "");
    this.wrong = press(() => this.ring(), "Ring errors", "Ring what the network gets wrong at this epoch");
    this.wrong.setAttribute("aria-pressed", "false");
    const home = press(() => this.reset(), "Reset view", "Show all again");
    const modes = make("span", { class: "modes" }, ...this.tools.map(({ made }) => made));
    this.legend = make("div", { class: "legend" });
    /** @type {HTMLCanvasElement[]} */
    this.swatches = [];
    this.grid = make("div", { class: "panels" });
    const oninput = () => {
      const chosen = Number(this.slider.value); // before stop() moves it
      this.stop();
      this.time = chosen;
      this.draw();
    };
    this.slider = make("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Epoch", oninput });
    const onclick = () => (this.running ? this.stop() : this.start());
    this.play = make("button", { type: "button", class: "play", "aria-label": "Play", onclick }, "▶");
    this.label = make("span", { class: "epoch" });
    this.player = make("div", { class: "player" }, this.play, this.slider, this.label);
    this.thumbnail = make("span", { class: "thumbnail" });
    this.caption = make("span");
    this.tip = make("div", { class: "tip", hidden: true }, this.thumbnail, this.caption);
    const toolbar = make("div", { class: "toolbar" }, modes, home, this.wrong, this.clear);
    root.replaceChildren(toolbar, this.legend, this.grid, this.player, this.tip);
  }

  /** @override */
  dispose() {
    super.dispose();
    this.observer.disconnect();
    cancelAnimationFrame(this.running);
    this.running = 0;
  }

  /**
   * @override
   * @param {ScatterData} data
   */
  show({ content, selected, trails }) {
    this.selected = new Set(selected);
    this.trails = trails;
    const written = JSON.stringify(content);
    if (written !== this.known) {
      this.known = written;
      this.build(content);
    }
    this.root.dataset.selected = String(this.selected.size);
    this.clear.disabled = !this.selected.size;
    this.draw();
  }

  /** The page has other points, or says other things of them. @param {Content} content */
  build(content) {
    const epochs = [...new Set(content.panels.flatMap((panel) => panel.epochs))].sort((a, b) => a - b);
    if (String(epochs) !== String(this.epochs)) this.time = epochs.length - 1;
    this.epochs = epochs;
    this.content = content;
    this.labels = array(content.labels).values;
    this.indices = array(content.indices).values;
    this.n = this.labels.length;
    if (this.sheet?.data.array !== content.sheet.array) this.sheet = new Sheet(content.sheet);
    this.panels = content.panels.map((panel) => new Panel(this, panel));
    this.grid.replaceChildren(...this.panels.map(({ figure }) => figure));
    this.swatches = content.classes.map(() => make("canvas", { width: 32, height: 32 }));
    this.legend.replaceChildren(...content.classes.map((name, c) => this.key(name, c)));
    this.slider.max = String(epochs.length - 1);
    this.player.hidden = epochs.length < 2;
    this.sprites.clear();
    this.resize();
  }

  /**
   * What hides and shows a class.
   * @param {string} name
   * @param {number} c
   */
  key(name, c) {
    const onclick = () => {
      if (!this.hidden.delete(c)) this.hidden.add(c);
      made.setAttribute("aria-pressed", String(!this.hidden.has(c)));
      this.draw();
    };
    const attributes = {
      type: "button",
      title: "Hide or show this class",
      "aria-pressed": String(!this.hidden.has(c)),
    };
    const made = make("button", { ...attributes, onclick }, this.swatches[c], name);
    return made;
  }

  /** @param {Mode} mode */
  choose(mode) {
    this.mode = mode;
    for (const tool of this.tools) tool.made.setAttribute("aria-pressed", String(tool.mode === mode));
    this.root.dataset.mode = mode;
  }

  ring() {
    this.errors = !this.errors;
    this.wrong.setAttribute("aria-pressed", String(this.errors));
    this.draw();
  }

  reset() {
    for (const panel of this.panels) panel.seen = null;
    this.draw();
  }

  resize() {
    const width = this.root.clientWidth;
    if (!this.panels.length || !width) return;
    let columns = this.panels.length;
    while (columns > 1 && (width - GAP * (columns - 1)) / columns < NARROWEST) columns--;
    this.width = Math.floor((width - GAP * (columns - 1)) / columns);
    this.height = Math.min(HIGHEST, Math.max(240, Math.round(this.width * 0.86)));
    this.grid.style.gridTemplateColumns = `repeat(${columns}, ${this.width}px)`;
    for (const panel of this.panels) panel.resize(devicePixelRatio || 1);
    this.sprites.clear();
    this.draw();
  }

  /** The last epoch is looked at. */
  get finished() {
    return this.time >= this.epochs.length - 1;
  }

  /** @param {number} c */
  colour(c) {
    return ofClass(this.content.colours, c);
  }

  /** @param {number} row */
  visible(row) {
    return !this.hidden.has(this.labels[row]);
  }

  /**
   * The pixels of a marker.
   * @param {number} kind
   * @param {number} radius
   * @param {number} ratio
   * @param {string} colour
   */
  sprite(kind, radius, ratio, colour) {
    const key = `${kind} ${colour}`;
    const known = this.sprites.get(key);
    if (known) return known;
    const size = 2 * Math.ceil((radius + 1) * ratio);
    const context = brush(make("canvas", { width: size, height: size }));
    context.fillStyle = colour;
    context.strokeStyle = this.paper;
    context.lineWidth = 0.6 * ratio;
    trace(context, this.content.symbols[kind], size / 2, size / 2, radius * ratio);
    context.fill();
    context.stroke();
    const pixels = context.getImageData(0, 0, size, size);
    this.sprites.set(key, pixels);
    return pixels;
  }

  draw() {
    if (!this.panels.length || !this.width) return;
    const style = getComputedStyle(this.root);
    const paper = style.getPropertyValue("--st-background-color").trim();
    const changed = paper !== this.paper || !this.sprites.size;
    this.ink = style.getPropertyValue("--st-text-color").trim();
    this.paper = paper;
    if (changed) {
      this.sprites.clear();
      for (const panel of this.panels) panel.tint = null;
      this.swatches.forEach((swatch, c) => {
        const context = brush(swatch);
        context.clearRect(0, 0, 32, 32);
        context.fillStyle = this.colour(c);
        trace(context, ofClass(this.content.symbols, c), 16, 16, 11);
        context.fill();
      });
    }
    for (const panel of this.panels) panel.paint();
    this.slider.value = String(Math.round(this.time));
    this.label.textContent = `after epoch ${this.epochs[Math.floor(this.time)]}`;
  }

  /**
   * Say what a point is, beside the pointer.
   * @param {Panel} panel
   * @param {Point} at
   * @param {MouseEvent} event
   */
  hover(panel, at, event) {
    const row = panel.under(at);
    this.tip.hidden = row < 0;
    if (row < 0) return;
    const { classes } = this.content;
    if (this.sheet) this.sheet.show(this.thumbnail, row, this.sheet.data.width <= 48 ? 3 : 1);
    const [label, answer] = [this.labels[row], panel.answer(row)];
    const called = answer === label ? "" : `, called ${classes[answer]}`;
    this.caption.textContent = `${classes[label]}${called} (test image ${this.indices[row]})`;
    const [left, top] = place(this.root, event);
    const side = left > this.root.getBoundingClientRect().width / 2 ? -1 : 1;
    this.tip.style.left = `${left + 14 * side}px`;
    this.tip.style.top = `${top + 12}px`;
    this.tip.style.transform = side > 0 ? "" : "translateX(-100%)";
  }

  /** @param {number[]} rows */
  pick(rows) {
    this.selected = new Set(rows);
    this.root.dataset.selected = String(rows.length);
    this.clear.disabled = !rows.length;
    this.draw();
    this.report(rows);
  }

  start() {
    if (this.time >= this.epochs.length - 1) this.time = 0;
    const begun = performance.now();
    const from = Math.floor(this.time);
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
    const frame = (/** @type {number} */ now) => {
      const end = this.epochs.length - 1;
      const time = Math.min(from + Math.max(0, now - begun) / STEP, end);
      this.time = this.still.matches ? Math.floor(time) : time;
      this.draw();
      if (time >= end) this.stop();
      else this.running = requestAnimationFrame(frame);
    };
    this.running = requestAnimationFrame(frame);
  }

  stop() {
    cancelAnimationFrame(this.running);
    this.running = 0;
    this.time = Math.floor(this.time); // what is looked at is an epoch, not a place between two
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
    this.draw();
  }
}

export default mount(".scatter", (root) => new Plot(root));
