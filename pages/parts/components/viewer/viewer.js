// @ts-check
// The image microscope. Its data say what to show; what is shown is computed here from the values.

import { brush, button, make } from "../../shell/drawing.js";
import { clamp } from "../../shell/geometry.js";
import { mount } from "../../shell/mount.js";
import { short } from "../../shell/numbers.js";
import { Drawing } from "../arrays.js";
import { Figure } from "./figure.js";
import { ICONS, icon } from "./icons.js";
import {
  anchored,
  arranged,
  closer,
  EMPTY,
  fitting,
  GAP,
  nearest,
  next,
  origin,
  SPARE,
  settled,
  written,
} from "./lens.js";
import { keyOf, Picture } from "./picture.js";
import { Scrubber } from "./scrubber.js";

/** @import { ViewerData } from "./data.js" */

/** @typedef {"side" | "blink" | "swipe"} Mode */
/** @typedef {[x: number, y: number]} Pixel of the picture, or of a canvas (the screen's) */
/** @typedef {{ canvas: HTMLCanvasElement, position: Pixel }} Place a screen pixel of a canvas */

/**
 * @typedef {object} View what is kept by name for as long as the window is open
 * @property {number | null} scale screen pixels for one of the picture; null for all of it
 * @property {Mode} mode
 * @property {number} split share of the canvas left of the border
 * @property {string} among the titles, written down, that the pair was taken from
 * @property {string} first picture of a pair, by its title
 * @property {string} second
 * @property {number} width of the pictures
 * @property {number} height
 * @property {number} x pixel in the middle of the canvas
 * @property {number} y
 * @property {boolean} [blinks] what the person has wished for
 * @property {{ window: string, below: number }} [room] below the pictures' beginning, in a window of this size
 */

const WIDE = 400; // CSS pixels from which on the readout fits on one line
const BLINK = 700; // milliseconds
/** @type {Map<string, View>} */
const views = new Map();
/** @type {[label: string, mode: Mode][]} */
const MODES = [
  ["Side by side", "side"],
  ["Blink", "blink"],
  ["Swipe", "swipe"],
];
/** @type {Record<string, Pixel | undefined>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {Record<string, number | undefined>} */
const BORDER = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };
const HELP = [
  ["Point, tap", "position and values in every picture"],
  ["Drag, arrow keys", "move"],
  ["+ −, pinch, wheel after a click, Ctrl + wheel", "zoom"],
  ["0, double click", "show all, or a closer look"],
  ["Shift + arrow keys", "another pixel"],
  ["Space", "blink: the other picture"],
  ["← → on the slider", "a step of the attack back, on"],
  ["A step", "is kept to 1/128 of an 8-bit level, the result exactly"],
  ["Esc", "leave blink, swipe, full screen"],
];
/** @type {ViewerData} */
const NOTHING = {
  arrays: [],
  view: "",
  width: 1,
  height: 1,
  columns: 1,
  row: false,
  stack: 1,
  panels: [],
  film: null,
  traces: [],
  curves: null,
};

/** @type {Pick<View, "mode" | "split" | "among" | "first" | "second">} */
const UNSEEN = { mode: "side", split: 0.5, among: "", first: "", second: "" };

const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** @extends {Drawing<ViewerData>} */
class Viewer extends Drawing {
  /** @param {HTMLElement} root */
  constructor(root) {
    super(root);
    this.data = NOTHING;
    /** @type {View} */
    this.view = { ...UNSEEN, scale: null, width: 0, height: 0, x: 0, y: 0 };
    /** @type {Picture[]} */
    this.pictures = [];
    /** @type {Figure[]} */
    this.figures = [];
    this.comparison = new Figure(); // the one large picture of blink and swipe
    /** @type {Map<number, { canvas: HTMLCanvasElement, x: number, y: number }>} */
    this.pointers = new Map();
    /** @type {{ distance: number, center: Pixel, scale: number } | null} */
    this.pinch = null; // what it started from
    /** @type {Pixel | null} */
    this.at = null; // the pixel that is pointed at
    this.byKeys = false; // it was pointed at with the keyboard
    this.position = 0; // among the film's steps
    this.showing = 0; // 1: the second picture of a blink
    this.wheeled = 0;
    this.fitted = 1; // scale at which all is seen
    this.blinking = 0;
    this.saying = 0;
    this.pending = 0;
    this.filmed = ""; // the film, written down
    this.composed = ""; // which figures are on the page, written down

    this.modes = MODES.map(([label, mode]) =>
      make("button", { type: "button", "data-mode": mode, onclick: () => this.setMode(mode) }, label),
    );
    this.selects = ["First picture", "Second picture"].map((label, which) =>
      make("select", { "aria-label": label, title: label, onchange: (event) => this.pick(which, event.target.value) }),
    );
    this.auto = button(icon(ICONS.pause), "Pause", () => this.setBlinking(!this.blinking));
    this.pair = make("span", { class: "pair" }, this.selects[0], this.selects[1], this.auto);
    this.ratio = make("output", { class: "ratio", "aria-label": "Zoom" });
    const all = () => this.zoomTo(null);
    this.fit = make("button", { type: "button", title: "Show all (0)", onclick: all }, "Fit");
    this.fuller = button(icon(ICONS.full), "Full screen", () => this.toggleFull());
    const asked = { title: "Keys and gestures", "aria-label": "Keys and gestures", popovertarget: "help" };
    this.toolbar = make(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "How the pictures are shown" },
      make("span", { class: "modes", role: "group", "aria-label": "Compare" }, ...this.modes),
      this.pair,
      make(
        "span",
        { class: "zoom", role: "group", "aria-label": "Zoom" },
        button(icon(ICONS.minus), "Zoom out (−)", () => this.zoomBy(-1)),
        this.ratio,
        button(icon(ICONS.plus), "Zoom in (+)", () => this.zoomBy(1)),
        this.fit,
        this.fuller,
        make("button", { type: "button", ...asked }, "?"),
      ),
    );
    const help = HELP.map(([how, what]) => make("tr", {}, make("th", { scope: "row" }, how), make("td", {}, what)));
    this.help = make("div", { id: "help", popover: "auto" }, make("table", {}, ...help));
    const slid = (/** @type {PointerEvent} */ event) => this.dragDivider(event);
    this.divider = make("span", {
      class: "divider",
      role: "slider",
      tabindex: "0",
      "aria-label": "Border between the two pictures",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      hidden: true,
      onkeydown: (event) => this.keyDivider(event),
      onpointerdown: slid,
      onpointermove: slid,
    });
    this.comparison.frame.append(this.divider);
    this.status = make("span", { class: "status", role: "status" });
    this.scrubber = new Scrubber(this);
    this.body = make("div", { class: "body" });
    this.root.replaceChildren(this.toolbar, this.body, this.help, this.status);
    this.listen();
    this.resizing = new ResizeObserver(() => this.layout());
    this.resizing.observe(root);
    this.onResize = () => this.layout();
    document.addEventListener("fullscreenchange", this.onResize);
    addEventListener("resize", this.onResize);
  }

  listen() {
    this.root.addEventListener("keydown", (event) => this.key(event));
    const on = this.body.addEventListener.bind(this.body);
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.up(event));
    on("pointerleave", (event) => event.pointerType === "mouse" && this.point(null));
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("dblclick", (event) => this.double(event));
    on("focusin", (event) => this.focused(event));
    on("focusout", () => this.byKeys && this.point(null));
  }

  /** @override */
  dispose() {
    super.dispose();
    this.resizing.disconnect();
    document.removeEventListener("fullscreenchange", this.onResize);
    removeEventListener("resize", this.onResize);
    clearInterval(this.blinking);
    clearInterval(this.scrubber.playing);
  }

  /**
   * @override
   * @param {ViewerData} data
   */
  show(data) {
    this.data = data;
    const { film, height, panels, stack, width } = data;
    const titles = panels.map((panel) => panel.title);
    const whole = { scale: null, width, height, x: width / 2, y: height / 2 };
    const view = views.get(data.view) ?? { ...UNSEEN, ...whole };
    views.set(data.view, view);
    this.view = view;
    if (view.width !== width || view.height !== height) {
      Object.assign(view, whole);
      this.at = null;
    }
    const filmed = JSON.stringify([film, panels.map((panel) => panel.strip)]);
    if (filmed !== this.filmed) {
      this.filmed = filmed;
      this.position = film?.best ?? 0;
      this.scrubber.play(false);
    }
    const among = JSON.stringify(titles);
    if (among !== view.among) {
      // Of other pictures than before: the first, and the one beside it. What stands below it is the first once more.
      const second = titles[stack] ?? titles[1] ?? titles[0];
      Object.assign(view, { among, first: titles[0], second });
    }
    for (const [which, select] of this.selects.entries()) {
      select.replaceChildren(...titles.map((title) => make("option", {}, title)));
      select.value = which ? view.second : view.first;
    }
    while (this.pictures.length < titles.length) this.pictures.push(new Picture());
    while (this.figures.length < titles.length) this.figures.push(new Figure());
    this.pictures.length = this.figures.length = titles.length;
    this.scrubber.adopt(data);
    this.setMode(view.mode);
  }

  /** Of the film; null where the result is shown. */
  get frame() {
    const { film } = this.data;
    return film && this.position !== film.best ? this.position : null;
  }

  get full() {
    return this.root.matches(":fullscreen") || this.root.classList.contains("over");
  }

  /** The two pictures of blink and swipe. */
  get pairOf() {
    const titles = this.data.panels.map((panel) => panel.title);
    return [titles.indexOf(this.view.first), titles.indexOf(this.view.second)];
  }

  // --- what is shown ---

  /** @param {Mode} mode */
  setMode(mode) {
    const { view, data } = this;
    view.mode = data.panels.length > 1 ? mode : "side";
    for (const button of this.modes) button.setAttribute("aria-pressed", String(button.dataset.mode === view.mode));
    this.toolbar.classList.toggle("single", data.panels.length < 2);
    this.pair.hidden = view.mode === "side";
    this.auto.hidden = view.mode !== "blink";
    this.divider.hidden = view.mode !== "swipe";
    this.compose();
    const shown = view.mode === "side" ? this.figures : [this.comparison];
    if (!shown.some((figure) => figure.canvas.tabIndex === 0)) shown[0].canvas.tabIndex = 0;
    this.blink(view.mode === "blink" && (view.blinks ?? !reducedMotion()));
    this.layout();
  }

  /** Put the figures into the page: only if they are not there already, because it interrupts whoever drags one. */
  compose() {
    const { view, data } = this;
    const composed = [view.mode === "side", this.figures.length, data.stack, this.scrubber.useful].join();
    if (composed === this.composed) return;
    this.composed = composed;
    /** @type {HTMLElement[]} */
    const cells = [];
    if (view.mode === "side") {
      for (let i = 0; i < this.figures.length; i += data.stack) {
        const stacked = this.figures.slice(i, i + data.stack).map((figure) => figure.root);
        cells.push(make("div", { class: "cell", style: `grid-row: span ${data.stack}` }, ...stacked));
      }
    } else cells.push(make("div", { class: "cell" }, this.comparison.root));
    if (this.scrubber.useful) cells.push(this.scrubber.root);
    this.body.replaceChildren(...cells);
  }

  /** By the person's wish. @param {boolean} on */
  setBlinking(on) {
    this.view.blinks = on;
    this.blink(on);
  }

  /** @param {boolean} on */
  blink(on) {
    if (on !== Boolean(this.blinking)) {
      clearInterval(this.blinking);
      this.blinking = on ? window.setInterval(() => this.flip(), BLINK) : 0;
    }
    const label = on ? "Pause" : "Blink by itself";
    this.auto.replaceChildren(icon(on ? ICONS.pause : ICONS.play));
    this.auto.title = label;
    this.auto.setAttribute("aria-label", label);
  }

  flip() {
    this.showing = 1 - this.showing;
    this.draw();
  }

  /**
   * @param {number} which of a pair
   * @param {string} title
   */
  pick(which, title) {
    this.view[which ? "second" : "first"] = title;
    this.draw();
  }

  /** @param {number} position */
  setPosition(position) {
    this.position = position;
    this.draw();
  }

  async toggleFull() {
    if (this.full) {
      this.root.classList.remove("over");
      if (document.fullscreenElement) await document.exitFullscreen();
    } else {
      try {
        await this.root.requestFullscreen();
      } catch {
        this.root.classList.add("over"); // a phone that lends its screen to videos only
      }
    }
    this.layout();
  }

  // --- where it is ---

  /**
   * CSS pixels that a panel needs beside its canvas: its title, its note (or two lines, one if long), its facts.
   * @param {number} width
   */
  captions(width) {
    const { panels } = this.data;
    const lines = Math.max(
      width >= WIDE || this.projected ? 1 : 2,
      ...panels.map(({ note }) => note.split("\n").length),
    );
    const facts = this.full ? Math.max(...panels.map((panel) => panel.facts.length)) : 0;
    return (28 + 19 * lines + 22 * facts) * this.type;
  }

  /** How large type is, in multiples of the usual; larger on a projector. */
  get type() {
    return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  }

  /** Before an audience. */
  get projected() {
    return this.type > 1.2;
  }

  /**
   * CSS pixels of the window from where the pictures begin, where the page has not been scrolled: the fewest there have
   * been, so that pictures keep their size when a bar of progress above them goes.
   */
  below() {
    const { view } = this;
    const scrolled = document.querySelector(".stMain")?.scrollTop ?? scrollY;
    const room = innerHeight - (this.body.getBoundingClientRect().top + scrolled) - 4;
    const window = `${innerWidth} ${innerHeight} ${this.type}`;
    view.room =
      view.room?.window === window ? { window, below: Math.min(view.room.below, room) } : { window, below: room };
    return view.room.below;
  }

  layout() {
    const ratio = window.devicePixelRatio;
    const { data, body, full, view, root } = this;
    if (data === NOTHING || !root.isConnected) return;
    root.classList.toggle("full", full);
    root.classList.toggle("projected", this.projected);
    this.fuller.title = full ? "Leave full screen (Esc)" : "Full screen";
    this.fuller.setAttribute("aria-label", this.fuller.title);
    const style = getComputedStyle(root);
    const across = root.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
    const down = root.clientHeight - padding - this.toolbar.offsetHeight - 8;
    const side = view.mode === "side";
    const pictures = Math.ceil(data.panels.length / data.stack);
    let { columns, rows, width, height, scale } = arranged({
      width: data.width,
      height: data.height,
      cells: pictures + Number(this.scrubber.useful),
      stack: data.stack,
      columns: data.columns,
      across,
      down: full ? down : null,
      row: data.row,
      projected: this.projected,
      below: this.below(),
      ratio,
      captions: (wide) => this.captions(wide),
    });
    const beside = this.scrubber.useful && across > 640;
    if (side) {
      const left = columns - (pictures % columns);
      this.scrubber.place(left === columns ? "1 / -1" : `span ${left}`);
    } else {
      // One large picture in the place of the many: what is below it should not jump.
      const tile = (data.height * scale) / ratio + this.captions(width);
      const column = beside ? Math.max((data.width * scale) / ratio, 220) : 0;
      width = across - column - (beside ? GAP : 0);
      height = full ? down - this.captions(width) : Math.max(rows * (tile + GAP) - GAP - this.captions(width), 200);
      scale = fitting(
        Math.min(width / data.width, height / data.height) * ratio,
        data.width,
        full || this.projected ? SPARE : EMPTY,
      );
      columns = 1;
      this.scrubber.place(beside ? "auto" : "1 / -1");
    }
    /** @type {Pixel} */
    const size = full
      ? [Math.floor(width * ratio), Math.floor((height ?? 0) * ratio)]
      : [Math.ceil(data.width * scale - 1e-6), Math.ceil(data.height * scale - 1e-6)];
    const last = !side && beside ? " minmax(0, 1fr)" : "";
    body.style.gridTemplateColumns = `repeat(${columns}, ${size[0] / ratio}px)${last}`;
    const taken = (columns * size[0]) / ratio + (columns - 1) * GAP;
    this.toolbar.style.maxWidth = side && !full && across > 640 ? `${taken}px` : "";
    root.classList.toggle("wide", size[0] / ratio >= WIDE);
    this.fitted = scale;
    for (const figure of side ? this.figures : [this.comparison]) figure.resize(...size, ratio);
    this.draw();
  }

  get scale() {
    return this.view.scale === null ? this.fitted : Math.max(this.view.scale, this.fitted);
  }

  /**
   * Screen pixels of the canvas at which the picture begins.
   * @param {HTMLCanvasElement} canvas
   * @returns {Pixel}
   */
  origin(canvas) {
    const { view, scale } = this;
    return [origin(canvas.width, view.width, view.x, scale), origin(canvas.height, view.height, view.y, scale)];
  }

  /**
   * Bring the middle of the view to where the picture fills the canvas.
   * @param {HTMLCanvasElement} canvas
   */
  settle(canvas) {
    const { view, scale } = this;
    view.x = settled(canvas.width, view.width, view.x, scale);
    view.y = settled(canvas.height, view.height, view.y, scale);
  }

  /**
   * @param {number | null} scale null for all of the picture
   * @param {HTMLCanvasElement} canvas
   * @param {Pixel} at screen pixel at which the picture stays where it is
   */
  zoomTo(scale, canvas = this.canvas, at = [canvas.width / 2, canvas.height / 2]) {
    const { view } = this;
    const before = this.scale;
    const [left, top] = this.origin(canvas);
    view.scale = scale === null || scale <= this.fitted ? null : scale;
    view.x = anchored(at[0], left, canvas.width, before, this.scale);
    view.y = anchored(at[1], top, canvas.height, before, this.scale);
    this.settle(canvas);
    if (this.byKeys) this.at = this.middle();
    this.draw();
  }

  /**
   * @param {number} direction above 0 nearer
   * @param {HTMLCanvasElement} [canvas]
   * @param {Pixel} [at]
   */
  zoomBy(direction, canvas, at) {
    this.zoomTo(next(this.scale, direction), canvas, at);
  }

  /**
   * @param {number} dx screen pixels
   * @param {number} dy
   */
  pan(dx, dy) {
    const { view, canvas } = this;
    view.x -= dx / this.scale;
    view.y -= dy / this.scale;
    this.settle(canvas);
    this.draw();
  }

  get canvas() {
    return (this.view.mode === "side" ? this.figures[0] : this.comparison).canvas;
  }

  /** @returns {Pixel} */
  middle() {
    const { x, y, width, height } = this.view;
    return [clamp(Math.floor(x), 0, width - 1), clamp(Math.floor(y), 0, height - 1)];
  }

  // --- drawing ---

  draw() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.pending = 0;
    const { data, view, frame } = this;
    if (data === NOTHING || !this.root.isConnected) return;
    for (const [i, picture] of this.pictures.entries()) picture.refresh(data.panels[i], frame, data);
    if (view.mode === "side") {
      for (const [i, figure] of this.figures.entries()) {
        const panel = data.panels[i];
        figure.describe(panel.title, this.noteOf(i), panel.alt, panel.facts);
        this.paint(figure.canvas, this.pictures[i]);
        this.read(figure, [i]);
      }
    } else this.drawComparison();
    const { scale } = this;
    this.ratio.textContent = written(scale);
    const uneven = scale % 1 ? `, ${Math.floor(scale)} or ${Math.ceil(scale)}: nearest neighbour` : "";
    this.ratio.title =
      scale >= 1
        ? `Screen pixels for one pixel of the picture${uneven}`
        : "Averaged: several pixels of the picture for one of the screen";
    this.root.classList.toggle("averaged", scale < 1);
    this.root.classList.toggle("zoomed", view.scale !== null && scale > this.fitted);
    this.fit.disabled = scale === this.fitted;
    this.scrubber.draw();
  }

  /** @param {number} i */
  noteOf(i) {
    const { data, frame } = this;
    const panel = data.panels[i];
    if (frame === null || !data.film) return panel.note;
    const { steps, best } = data.film;
    const step = steps[frame];
    if (panel.strip !== null) {
      const { clipped } = this.pictures[i];
      const said = panel.notes?.[frame];
      const lost = clipped ? `; ${(100 * clipped).toPrecision(2)} % beyond the scale` : "";
      if (panel.keys) {
        const key = keyOf(panel.keys, steps, frame);
        return `${panel.keys[key] === frame ? "" : "nearest key frame: "}step ${steps[panel.keys[key]]}${lost}`;
      }
      const gain = panel.spans ? `, amplified ×${short(1 / panel.spans[frame])}` : "";
      return `step ${step}${said ? `: ${said}` : ""}${gain}${lost}`;
    }
    return panel.result ? `of the result (step ${steps[best]}), not of step ${step}` : panel.note;
  }

  drawComparison() {
    const { data, view, comparison } = this;
    const pair = this.pairOf;
    const [a, b] = pair.map((i) => data.panels[i]);
    const swipe = view.mode === "swipe";
    const one = this.showing ? b : a;
    if (swipe) {
      const note = `left: ${a.title}, right: ${b.title}`;
      comparison.describe(`${a.title} | ${b.title}`, note, `Left: ${a.alt} Right: ${b.alt}`, []);
    } else comparison.describe(one.title, this.noteOf(pair[this.showing]), one.alt, []);
    comparison.root.classList.toggle("second", !swipe && this.showing === 1);
    const { canvas } = comparison;
    if (swipe) {
      const at = Math.round(view.split * canvas.width);
      this.paint(canvas, this.pictures[pair[0]], 0, at);
      this.paint(canvas, this.pictures[pair[1]], at, canvas.width);
      this.divider.style.left = `${100 * view.split}%`;
      this.divider.setAttribute("aria-valuenow", String(Math.round(100 * view.split)));
    } else this.paint(canvas, this.pictures[pair[this.showing]]);
    this.read(comparison, swipe ? pair : [pair[this.showing]]);
  }

  /**
   * Put a picture on a canvas between the columns from and to.
   * @param {HTMLCanvasElement} canvas
   * @param {Picture} picture
   */
  paint(canvas, picture, from = 0, to = canvas.width) {
    const context = brush(canvas);
    const { scale } = this;
    const [left, top] = this.origin(canvas);
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    context.clearRect(from, 0, to - from, canvas.height);
    context.imageSmoothingEnabled = false;
    if (scale % 1) context.drawImage(picture.at(scale), left, top);
    else {
      const { width, height } = picture;
      const [x, y] = [Math.max(0, Math.floor((from - left) / scale)), Math.max(0, Math.floor(-top / scale))];
      const w = Math.min(width, Math.ceil((to - left) / scale)) - x;
      const h = Math.min(height, Math.ceil((canvas.height - top) / scale)) - y;
      if (w > 0 && h > 0) {
        context.drawImage(picture.canvas, x, y, w, h, left + x * scale, top + y * scale, w * scale, h * scale);
      }
    }
    context.restore();
  }

  /**
   * The readout and the mark of the pixel that is pointed at.
   * @param {Figure} figure
   * @param {number[]} which pictures it shows
   */
  read(figure, which) {
    const { at, scale } = this;
    figure.readout.hidden = figure.cross.hidden = !at;
    figure.note.classList.toggle("covered", Boolean(at));
    if (!at) return;
    const lines = which.map((i) => this.pictures[i].readout(...at));
    const text = which.length === 1 ? lines[0] : lines.map(([, values], k) => `${k ? "right" : "left"}  ${values}`);
    figure.readout.textContent = text.join(this.root.classList.contains("wide") ? "   " : "\n");
    const ratio = window.devicePixelRatio;
    const [left, top] = this.origin(figure.canvas);
    const size = Math.max(scale / ratio, 9);
    Object.assign(figure.cross.style, {
      width: `${size}px`,
      height: `${size}px`,
      left: `${(left + (at[0] + 0.5) * scale) / ratio - size / 2}px`,
      top: `${(top + (at[1] + 0.5) * scale) / ratio - size / 2}px`,
    });
  }

  /** @param {Pixel | null} at */
  point(at) {
    this.byKeys = false;
    if (String(at) === String(this.at)) return;
    this.at = at;
    this.draw();
  }

  // --- pointer, wheel, keys ---

  /**
   * The canvas under an event and the screen pixel in it.
   * @param {MouseEvent} event
   * @returns {Place | null}
   */
  locate(event) {
    const figure = Figure.of(event.target);
    if (!figure) return null;
    const { canvas } = figure;
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return { canvas, position: [x * canvas.width, y * canvas.height] };
  }

  /**
   * @param {Place} place
   * @returns {Pixel | null}
   */
  pixelAt({ canvas, position }) {
    const [left, top] = this.origin(canvas);
    const [x, y] = [position[0] - left, position[1] - top].map((at) => Math.floor((Math.floor(at) + 0.5) / this.scale));
    return x >= 0 && y >= 0 && x < this.view.width && y < this.view.height ? [x, y] : null;
  }

  /** @param {PointerEvent} event */
  down(event) {
    const found = this.locate(event);
    if (!found || event.target === this.divider || event.button > 0) return;
    found.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, { canvas: found.canvas, x: event.clientX, y: event.clientY });
    if (event.target instanceof Element) event.target.setPointerCapture(event.pointerId);
    this.grip();
    this.point(this.pixelAt(found));
  }

  /** From now on a pinch is measured. */
  grip() {
    const fingers = this.fingers();
    this.pinch = fingers && { distance: fingers.distance, center: fingers.center, scale: this.scale };
  }

  /**
   * How far two fingers are apart, and the screen pixel of their canvas between them; null for fewer.
   * @returns {{ canvas: HTMLCanvasElement, distance: number, center: Pixel } | null}
   */
  fingers() {
    const [a, b] = this.pointers.values();
    if (!b) return null;
    const box = a.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio;
    return {
      canvas: a.canvas,
      distance: Math.hypot(a.x - b.x, a.y - b.y),
      center: [((a.x + b.x) / 2 - box.left) * ratio, ((a.y + b.y) / 2 - box.top) * ratio],
    };
  }

  /** @param {PointerEvent} event */
  move(event) {
    const held = this.pointers.get(event.pointerId);
    const found = this.locate(event);
    if (!held) {
      if (event.target !== this.divider) this.point(found && this.pixelAt(found));
      return;
    }
    const ratio = window.devicePixelRatio;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    held.x = event.clientX;
    held.y = event.clientY;
    const fingers = this.fingers();
    if (!fingers || !this.pinch) {
      if (this.root.classList.contains("zoomed")) this.pan(dx * ratio, dy * ratio);
      if (found) this.point(this.pixelAt(found));
      return;
    }
    const { canvas, distance, center } = fingers;
    const wanted = (this.pinch.scale * distance) / this.pinch.distance;
    const scale = nearest(wanted);
    this.pan(center[0] - this.pinch.center[0], center[1] - this.pinch.center[1]);
    this.pinch.center = center;
    if (scale !== this.scale) this.zoomTo(wanted < this.fitted ? null : scale, canvas, center);
  }

  /** @param {PointerEvent} event */
  up(event) {
    this.pointers.delete(event.pointerId);
    this.grip();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    const found = this.locate(event);
    const within = this.root.getRootNode();
    const active = within instanceof ShadowRoot || within instanceof Document ? within.activeElement : null;
    const clicked = active?.matches("canvas") && this.body.contains(active);
    if (!found || !(event.ctrlKey || event.metaKey || this.full || clicked)) return;
    event.preventDefault();
    this.wheeled += event.deltaY * (event.deltaMode ? 40 : 1);
    if (Math.abs(this.wheeled) < 40) return;
    this.zoomBy(this.wheeled < 0 ? 1 : -1, found.canvas, found.position);
    this.wheeled = 0;
    this.point(this.pixelAt(found));
  }

  /** @param {MouseEvent} event */
  double(event) {
    const found = this.locate(event);
    if (!found || event.target === this.divider) return;
    this.zoomTo(this.view.scale === null ? closer(this.fitted) : null, found.canvas, found.position);
  }

  /** @param {FocusEvent} event */
  focused(event) {
    const figure = Figure.of(event.target);
    if (!figure || event.target !== figure.canvas) return;
    for (const other of [...this.figures, this.comparison]) other.canvas.tabIndex = other === figure ? 0 : -1;
    if (this.view.mode === "side") this.comparison.canvas.tabIndex = 0;
    if (figure.canvas.matches(":focus-visible") && !this.pointers.size) {
      this.byKeys = true;
      this.at = this.middle();
      this.draw();
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.data === NOTHING) return;
    if (event.key === "Escape" && this.root.classList.contains("over")) this.toggleFull();
    if (!(event.target instanceof HTMLCanvasElement) || !this.pressed(event.target, event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /**
   * A key was pressed on a canvas; whether it means something.
   * @param {HTMLCanvasElement} on
   * @param {KeyboardEvent} event
   */
  pressed(on, { key, shiftKey }) {
    const { view } = this;
    const arrow = ARROWS[key];
    if (arrow) this.arrow(on, arrow, shiftKey);
    else if (key === "+" || key === "=") this.zoomBy(1);
    else if (key === "-" || key === "_") this.zoomBy(-1);
    else if (key === "0") this.zoomTo(null);
    else if (key === " " && view.mode === "blink") {
      this.setBlinking(false);
      this.flip();
    } else if (key === " ") {
      this.setMode("blink");
      this.comparison.canvas.focus({ preventScroll: true });
    } else if (key === "Escape" && view.mode !== "side" && !this.full) {
      this.setMode("side");
      this.canvas.focus({ preventScroll: true });
    } else return false;
    return true;
  }

  /**
   * @param {HTMLCanvasElement} on
   * @param {Pixel} arrow
   * @param {boolean} shift
   */
  arrow(on, arrow, shift) {
    const { view } = this;
    if (this.root.classList.contains("zoomed") && !shift) {
      const far = Math.max(Math.round(on.width / 8 / this.scale), 1) * this.scale;
      this.pan(-arrow[0] * far, -arrow[1] * far);
      this.at = this.middle();
    } else {
      const [x, y] = this.at ?? this.middle();
      this.at = [clamp(x + arrow[0], 0, view.width - 1), clamp(y + arrow[1], 0, view.height - 1)];
    }
    this.byKeys = true;
    this.draw();
    clearTimeout(this.saying);
    const side = view.mode === "side";
    const index = side ? this.figures.findIndex(({ canvas }) => canvas === on) : this.pairOf[this.showing];
    this.saying = window.setTimeout(() => {
      this.status.textContent = this.at ? this.pictures[index].readout(...this.at).join(", ") : "";
    }, 300);
  }

  /** @param {number} share */
  split(share) {
    this.view.split = clamp(share, 0, 1);
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  keyDivider(event) {
    const step = BORDER[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.split(this.view.split + step);
  }

  /** @param {PointerEvent} event */
  dragDivider(event) {
    if (event.type === "pointerdown") this.divider.setPointerCapture(event.pointerId);
    if (!event.buttons) return;
    event.preventDefault();
    event.stopPropagation();
    const box = this.comparison.canvas.getBoundingClientRect();
    this.split((event.clientX - box.left) / box.width);
  }
}

export default mount(".viewer", (root) => new Viewer(root));
