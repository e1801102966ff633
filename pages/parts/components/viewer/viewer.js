// The image microscope. Its data say what to show; the arrays come through carrier.js. What is shown is computed here
// from the values, with float32 arithmetic (Math.fround).

const SCALES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64]; // screen pixels for one image pixel
const GAP = 12;
const SMALLEST = 140; // of a picture, in CSS pixels: something must be seen, and the readout fit
const WIDE = 400; // from which on the readout fits on one line
const BLINK = 700; // milliseconds
const ROOM = 256 << 20; // bytes of arrays kept that no element holds at the moment
const fround = Math.fround;

const arrays = new Map(); // id -> {shape, values | frames}, the most recently used last
const inbox = (globalThis[Symbol.for("smoothscope.inbox")] ??= new Map()); // element of a carrier -> its parcel
const viewers = new Map(); // viewer element -> Viewer
const views = new Map(); // name -> zoom, position and mode, for as long as the window is open

// --- arrays ---------------------------------------------------------------------------------------------------------

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function decode({ kind, shape, steps }, bytes) {
  const size = shape.reduce((a, b) => a * b, 1);
  const width = shape[shape.length - 1];
  if (kind === "u8") {
    const values = new Float32Array(size);
    for (let i = 0, level = 0; i < size; i++) {
      level = i % width ? (level + bytes[i]) & 255 : bytes[i];
      values[i] = level / 255;
    }
    return { shape, values };
  }
  if (kind === "f32") {
    const joined = new Uint8Array(4 * size);
    for (let i = 0; i < size; i++) for (let b = 0; b < 4; b++) joined[4 * i + b] = bytes[b * size + i];
    return { shape, values: new Float32Array(joined.buffer) };
  }
  const frames = new Int16Array(size); // i16: differences in time, zigzag coded
  const one = size / shape[0];
  for (let i = 0; i < size; i++) {
    const coded = bytes[i] | (bytes[size + i] << 8);
    frames[i] = ((coded >> 1) ^ -(coded & 1)) + (i < one ? 0 : frames[i - one]);
  }
  const values = shape[0] > 1 ? undefined : Float32Array.from(frames, (number) => number * steps[0]);
  return { shape, steps, frames, values };
}

/** The header of a parcel. */
function open(parcel) {
  const length = new DataView(parcel.buffer, parcel.byteOffset).getUint32(0, true);
  return { ...JSON.parse(new TextDecoder().decode(parcel.subarray(4, 4 + length))), body: parcel.subarray(4 + length) };
}

async function receive(parcel) {
  const { body, ...header } = open(parcel);
  if (!arrays.has(header.id)) arrays.set(header.id, decode(header, await inflate(body)));
  const held = new Set([...inbox.values()].map((each) => open(each).id));
  let total = 0;
  for (const [id, { values, frames }] of [...arrays].reverse()) {
    total += (values?.byteLength ?? 0) + (frames?.byteLength ?? 0);
    if (total > ROOM && !held.has(id)) arrays.delete(id);
  }
  for (const viewer of viewers.values()) viewer.adopt();
}

addEventListener("smoothscope.parcel", ({ detail }) => receive(detail));
for (const parcel of inbox.values()) receive(parcel); // those that were here before this module

function array(id) {
  const found = arrays.get(id);
  if (found) {
    arrays.delete(id);
    arrays.set(id, found);
  }
  return found;
}

// --- small helpers --------------------------------------------------------------------------------------------------


function rint(x) { // halves to the even number, as IEEE and NumPy do
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

function level(value, span) {
  const shown = span === null ? value : fround(0.5 + fround(value / span));
  return rint(fround(clamp(shown, 0, 1) * 255));
}

/** The largest whole scale that there is room for; 1/2, 1/3 ... where there is not even 1. */
function whole(room) {
  return room >= 1 ? Math.floor(room + 1e-6) : 1 / Math.ceil(1 / Math.max(room, 1e-3) - 1e-6);
}

function vector(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function icon(path) {
  const svg = vector("svg", { viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" });
  svg.append(vector("path", { d: path, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  return svg;
}

const ICONS = {
  minus: "M5 12h14",
  plus: "M5 12h14M12 5v14",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  back: "M15 5l-7 7 7 7",
  on: "M9 5l7 7-7 7",
};

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

const short = (value) => {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 10000) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
};
const signed = (value, digits) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// --- one panel ------------------------------------------------------------------------------------------------------

class Picture {
  constructor() {
    this.source = document.createElement("canvas"); // the picture at its own size
  }

  /** The values that are shown: those of the result, or of a step of the film (frame, null for the result). */
  read(frame) {
    const { array: id, strip, base } = this.panel;
    if (strip === null || frame === null) return array(id).values;
    const { frames, shape, steps } = array(strip);
    const size = frames.length / shape[0];
    const numbers = frames.subarray(frame * size, (frame + 1) * size);
    if (base === null) return Float32Array.from(numbers, (number) => number * steps[frame]);
    const { values } = array(base);
    return Float32Array.from(numbers, (number, i) => values[i] + fround(number * steps[frame]));
  }

  /** Draw the picture at its own size, if what it shows has changed. */
  refresh(panel, frame, width, height) {
    const wide = frame !== null && panel.spans ? panel.spans[frame] : panel.span;
    const span = wide === null ? null : fround(wide);
    const shown = [panel.array, span, panel.strip !== null && frame !== null && `${panel.strip} ${frame}`].join();
    this.panel = panel;
    if (shown === this.shown) return;
    this.shown = shown;
    this.span = span;
    this.reduced = null;
    this.values = this.read(frame);
    this.pixels = width * height;
    this.channels = this.values.length / this.pixels;
    const image = new ImageData(width, height);
    const rgba = image.data;
    const { pixels, channels, values } = this;
    let outside = 0;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < pixels; i++) {
        const value = values[c * pixels + i];
        rgba[4 * i + c] = level(value, span);
        if (span !== null && Math.abs(value) > span / 2) outside++;
      }
    }
    for (let i = 0; i < pixels; i++) {
      if (channels === 1) rgba[4 * i + 1] = rgba[4 * i + 2] = rgba[4 * i];
      rgba[4 * i + 3] = 255;
    }
    this.clipped = outside / (channels * pixels);
    this.source.width = width;
    this.source.height = height;
    this.source.getContext("2d", { alpha: false }).putImageData(image, 0, 0);
    this.image = image;
  }

  /** The picture with every factor x factor pixels averaged into one. */
  average(factor) {
    if (this.reduced?.factor === factor) return this.reduced.canvas;
    const { width, height, data } = this.image;
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(width / factor);
    canvas.height = Math.ceil(height / factor);
    const small = new ImageData(canvas.width, canvas.height);
    for (let y = 0; y < canvas.height; y++) {
      for (let x = 0; x < canvas.width; x++) {
        const sum = [0, 0, 0];
        let n = 0;
        for (let v = y * factor; v < Math.min((y + 1) * factor, height); v++) {
          for (let u = x * factor; u < Math.min((x + 1) * factor, width); u++, n++) {
            for (let c = 0; c < 3; c++) sum[c] += data[4 * (v * width + u) + c];
          }
        }
        const at = 4 * (y * canvas.width + x);
        for (let c = 0; c < 3; c++) small.data[at + c] = Math.round(sum[c] / n);
        small.data[at + 3] = 255;
      }
    }
    canvas.getContext("2d", { alpha: false }).putImageData(small, 0, 0);
    this.reduced = { factor, canvas };
    return canvas;
  }

  /** What a person reads of one pixel: two lines. */
  readout(x, y, width) {
    const { channels, pixels, span, panel } = this;
    const values = Array.from({ length: channels }, (_, c) => this.values[c * pixels + y * width + x]);
    const where = `x ${x}  y ${y}`;
    const shown = values.map((value) => level(value, span)).join(" ");
    if (span === null) return [`${where}  level ${shown}`, values.map((value) => value.toFixed(4)).join("  ")];
    if (panel.unit) {
      return [`${where}  grey ${shown}`, values.map((value) => signed(value, 2)).join("  ") + ` ${panel.unit}`];
    }
    const digits = clamp(3 - Math.floor(Math.log10(span)), 4, 9);
    return [
      `${where}  ${values.map((value) => signed(255 * value, digits - 3)).join(" ")} /255`,
      values.map((value) => signed(value, digits)).join(" "),
    ];
  }
}

// --- the viewer -----------------------------------------------------------------------------------------------------

class Figure {
  /** A canvas with its title above and note, readout and facts below. */
  constructor(viewer) {
    this.title = make("figcaption");
    this.canvas = make("canvas", { role: "img", tabindex: "-1" });
    this.cross = make("span", { class: "cross", hidden: true });
    this.frame = make("div", { class: "frame" }, this.canvas, this.cross);
    this.note = make("div", { class: "note" });
    this.readout = make("div", { class: "readout", hidden: true });
    this.facts = make("dl", { class: "facts" });
    this.root = make("figure", {}, this.title, this.frame, make("div", { class: "below" }, this.note, this.readout), this.facts);
    this.frame.figure = this;
    this.viewer = viewer;
  }

  describe(title, note, alt, facts) {
    const described = JSON.stringify([title, note, alt, facts]);
    if (described === this.described) return;
    this.described = described;
    this.title.textContent = title;
    this.note.textContent = note;
    this.canvas.setAttribute("aria-label", alt);
    this.canvas.dataset.title = title;
    this.facts.replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  }

  resize(width, height, ratio) {
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.canvas.style.width = `${width / ratio}px`;
    this.canvas.style.height = `${height / ratio}px`;
    this.root.style.width = `${width / ratio}px`;
  }
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.pictures = [];
    this.figures = [];
    this.duel = new Figure(this); // the one large picture of blink and swipe
    this.pointers = new Map();
    this.showing = 0; // 1: the second picture of a blink
    this.wheeled = 0;
    this.build();
    this.resizing = new ResizeObserver(() => this.layout());
    this.resizing.observe(root);
    this.onResize = () => this.layout();
    document.addEventListener("fullscreenchange", this.onResize);
    addEventListener("resize", this.onResize);
  }

  dispose() {
    this.resizing.disconnect();
    document.removeEventListener("fullscreenchange", this.onResize);
    removeEventListener("resize", this.onResize);
    clearInterval(this.blinking);
    clearInterval(this.playing);
  }

  build() {
    const button = (label, path, action, extra = {}) =>
      make("button", { type: "button", title: label, "aria-label": label, onclick: action, ...extra }, icon(path));
    this.modes = ["Side by side", "Blink", "Swipe"].map((label) => {
      const mode = label.split(" ")[0].toLowerCase();
      return make("button", { type: "button", "data-mode": mode, onclick: () => this.setMode(mode) }, label);
    });
    this.selects = ["First picture", "Second picture"].map((label, which) =>
      make("select", { "aria-label": label, title: label, onchange: ({ target }) => this.pick(which, target.value) }));
    this.auto = button("Pause", ICONS.pause, () => this.setBlinking(!this.blinking));
    this.pair = make("span", { class: "pair" }, this.selects[0], this.selects[1], this.auto);
    this.ratio = make("output", { class: "ratio", "aria-label": "Zoom" });
    this.fit = make("button", { type: "button", title: "Show all (0)", onclick: () => this.zoomTo(null) }, "Fit");
    this.fuller = button("Full screen", ICONS.full, () => this.toggleFull());
    this.toolbar = make("div", { class: "toolbar", role: "toolbar", "aria-label": "How the pictures are shown" },
      make("span", { class: "modes", role: "group", "aria-label": "Compare" }, ...this.modes),
      this.pair,
      make("span", { class: "zoom", role: "group", "aria-label": "Zoom" },
        button("Zoom out (−)", ICONS.minus, () => this.zoomBy(-1)),
        this.ratio,
        button("Zoom in (+)", ICONS.plus, () => this.zoomBy(1)),
        this.fit,
        this.fuller,
        make("button", { type: "button", title: "Keys and gestures", "aria-label": "Keys and gestures", popovertarget: "help" }, "?")));
    this.help = make("div", { id: "help", popover: "auto" }, make("table", {}, ...HELP.map(([how, what]) =>
      make("tr", {}, make("th", { scope: "row" }, how), make("td", {}, what)))));
    this.divider = make("span", {
      class: "divider", role: "slider", tabindex: "0", "aria-label": "Border between the two pictures",
      "aria-valuemin": "0", "aria-valuemax": "100", hidden: true,
      onkeydown: (event) => this.keyDivider(event),
      onpointerdown: (event) => this.dragDivider(event),
      onpointermove: (event) => this.dragDivider(event),
    });
    this.duel.frame.append(this.divider);
    this.status = make("span", { class: "status", role: "status" });
    this.scrubber = new Scrubber(this);
    this.body = make("div", { class: "body" });
    this.root.replaceChildren(this.toolbar, this.body, this.help, this.status);
    this.root.addEventListener("keydown", (event) => this.key(event));
    const on = (type, action, options) => this.body.addEventListener(type, action, options);
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

  /** Show the newest data as soon as all its arrays are here; until then what was shown stays. */
  adopt() {
    const { next } = this;
    if (!next || !next.arrays.every((id) => arrays.has(id))) return;
    this.next = null;
    this.data = next;
    if (!views.has(next.view)) views.set(next.view, { scale: null, mode: "side", split: 0.5, first: null, second: null });
    const view = (this.view = views.get(next.view));
    if (view.width !== next.width || view.height !== next.height) {
      Object.assign(view, { scale: null, x: next.width / 2, y: next.height / 2, width: next.width, height: next.height });
      this.at = null;
    }
    const film = JSON.stringify([next.film, next.panels.map((panel) => panel.strip)]);
    if (film !== this.film) {
      this.film = film;
      this.position = next.film ? next.film.best : null;
      this.scrubber.play(false);
    }
    const titles = next.panels.map((panel) => panel.title);
    for (const [which, select] of this.selects.entries()) {
      const name = which ? "second" : "first";
      select.replaceChildren(...titles.map((title) => make("option", {}, title)));
      if (!titles.includes(view[name])) view[name] = titles[Math.min(which, titles.length - 1)];
      select.value = view[name];
    }
    for (const [name, list, create] of [["pictures", this.pictures, () => new Picture()], ["figures", this.figures, () => new Figure(this)]]) {
      while (list.length < titles.length) list.push(create());
      this[name].length = titles.length;
    }
    this.scrubber.adopt(next);
    this.setMode(view.mode);
  }

  get frame() { // of the film; null where the result is shown
    const { film } = this.data;
    return film && this.position !== film.best ? this.position : null;
  }

  get full() {
    return this.root.matches(":fullscreen") || this.root.classList.contains("over");
  }

  get pairOf() {
    const titles = this.data.panels.map((panel) => panel.title);
    return [titles.indexOf(this.view.first), titles.indexOf(this.view.second)];
  }

  // --- what is shown ---

  setMode(mode) {
    const { view, data } = this;
    view.mode = data.panels.length > 1 ? mode : "side";
    for (const button of this.modes) button.setAttribute("aria-pressed", String(button.dataset.mode === view.mode));
    this.toolbar.classList.toggle("single", data.panels.length < 2);
    this.pair.hidden = view.mode === "side";
    this.auto.hidden = view.mode !== "blink";
    this.divider.hidden = view.mode !== "swipe";
    this.compose();
    const shown = view.mode === "side" ? this.figures : [this.duel];
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
    const cells = [];
    if (view.mode === "side") {
      for (let i = 0; i < this.figures.length; i += data.stack) {
        cells.push(make("div", { class: "cell" }, ...this.figures.slice(i, i + data.stack).map((figure) => figure.root)));
      }
    } else cells.push(make("div", { class: "cell" }, this.duel.root));
    if (this.scrubber.useful) cells.push(this.scrubber.root);
    this.body.replaceChildren(...cells);
  }

  setBlinking(on) { // by the person's wish
    this.view.blinks = on;
    this.blink(on);
  }

  blink(on) {
    if (on !== Boolean(this.blinking)) {
      clearInterval(this.blinking);
      this.blinking = on ? setInterval(() => this.flip(), BLINK) : null;
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

  pick(which, title) {
    this.view[which ? "second" : "first"] = title;
    this.draw();
  }

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
      } catch { // a phone that lends its screen to videos only
        this.root.classList.add("over");
      }
    }
    this.layout();
  }

  // --- where it is ---

  /** Columns, the size of a canvas in CSS pixels (height null: as the picture's) and the scale, side by side. */
  arrange(across, down, ratio) {
    const { data, full } = this;
    const cells = Math.ceil(data.panels.length / data.stack) + this.scrubber.useful;
    let best = null;
    const better = (one, other) => one.scale - other.scale || other.empty - one.empty || one.room - other.room;
    for (let columns = full ? cells : Math.min(data.columns, cells); columns >= 1; columns--) {
      const width = (across - (columns - 1) * GAP) / columns;
      const rows = Math.ceil(cells / columns);
      const height = full ? (down - (rows - 1) * GAP) / rows / data.stack - this.captions(width) : null;
      const room = Math.min(width / data.width, (height ?? Infinity) / data.height) * ratio;
      const empty = rows * columns - cells;
      const found = { columns, rows: rows * data.stack, width, height, scale: whole(room), room, empty };
      if (!full && (columns === 1 || (room >= 1 && (found.scale * data.width) / ratio >= SMALLEST))) {
        // A little smaller where that brings all of them into the window.
        const fits = Math.max((0.8 * innerHeight) / found.rows - this.captions(width), 224);
        const scale = whole(Math.min(room, (fits / data.height) * ratio));
        return scale >= 0.75 * found.scale ? { ...found, scale } : found;
      }
      if (!best || better(found, best) > 0) best = found;
    }
    return best;
  }

  /** CSS pixels that a panel needs beside its canvas: its title, its note (or two lines, one if long), its facts. */
  captions(width) {
    const { panels } = this.data;
    const lines = Math.max(width >= WIDE ? 1 : 2, ...panels.map(({ note }) => note.split("\n").length));
    const facts = this.full ? Math.max(...panels.map((panel) => panel.facts.length)) : 0;
    const text = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16; // larger on a projector
    return (28 + 19 * lines + 22 * facts) * text;
  }

  layout() {
    if (!this.data || !this.root.isConnected) return;
    const ratio = window.devicePixelRatio;
    const { data, body, full, view, root } = this;
    root.classList.toggle("full", full);
    this.fuller.title = full ? "Leave full screen (Esc)" : "Full screen";
    this.fuller.setAttribute("aria-label", this.fuller.title);
    const style = getComputedStyle(root);
    const across = root.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
    const down = root.clientHeight - padding - this.toolbar.offsetHeight - 8;
    const side = view.mode === "side";
    let { columns, rows, width, height, scale } = this.arrange(across, down, ratio);
    const beside = this.scrubber.useful && across > 640;
    if (side) {
      const left = columns - (Math.ceil(data.panels.length / data.stack) % columns);
      this.scrubber.place(left === columns ? "1 / -1" : `span ${left}`);
    } else {
      // One large picture in the place of the many: what is below it should not jump.
      const tile = (data.height * scale) / ratio + this.captions(width);
      const column = beside ? Math.max((data.width * scale) / ratio, 220) : 0;
      width = across - column - (beside ? GAP : 0);
      height = full ? down - this.captions(width) : Math.max(rows * (tile + GAP) - GAP - this.captions(width), 200);
      scale = whole(Math.min(width / data.width, height / data.height) * ratio);
      columns = 1;
      this.scrubber.place(beside ? "auto" : "1 / -1");
    }
    const size = full
      ? [Math.floor(width * ratio), Math.floor(height * ratio)]
      : [Math.ceil(data.width * scale), Math.ceil(data.height * scale)];
    body.style.gridTemplateColumns = `repeat(${columns}, ${size[0] / ratio}px)` + (!side && beside ? " minmax(0, 1fr)" : "");
    const taken = (columns * size[0]) / ratio + (columns - 1) * GAP;
    this.toolbar.style.maxWidth = side && !full && across > 640 ? `${taken}px` : "";
    root.classList.toggle("wide", size[0] / ratio >= WIDE);
    this.fitted = scale;
    for (const figure of side ? this.figures : [this.duel]) figure.resize(...size, ratio);
    this.draw();
  }

  get scale() {
    return this.view.scale === null ? this.fitted : Math.max(this.view.scale, this.fitted);
  }

  /** Screen pixels of the canvas at which the picture begins. */
  origin(canvas) {
    const { view, scale } = this;
    const along = (room, size, centre) =>
      size * scale <= room
        ? Math.floor((room - Math.ceil(size * scale)) / 2)
        : Math.round(clamp(room / 2 - centre * scale, room - size * scale, 0));
    return [along(canvas.width, view.width, view.x), along(canvas.height, view.height, view.y)];
  }

  /** Bring the middle of the view to where the picture fills the canvas. */
  settle(canvas) {
    const { view, scale } = this;
    const along = (room, size, centre) =>
      size * scale <= room ? size / 2 : clamp(centre, room / 2 / scale, size - room / 2 / scale);
    view.x = along(canvas.width, view.width, view.x);
    view.y = along(canvas.height, view.height, view.y);
  }

  zoomTo(scale, canvas = this.canvas, anchor = null) {
    const { view } = this;
    const [x, y] = anchor ?? [canvas.width / 2, canvas.height / 2];
    const [left, top] = this.origin(canvas);
    const [px, py] = [(x - left) / this.scale, (y - top) / this.scale]; // of the picture, stays where it is
    view.scale = scale === null || scale <= this.fitted ? null : scale;
    view.x = px - (x - canvas.width / 2) / this.scale;
    view.y = py - (y - canvas.height / 2) / this.scale;
    this.settle(canvas);
    if (this.byKeys) this.at = this.middle();
    this.draw();
  }

  zoomBy(direction, canvas = this.canvas, anchor = null) {
    const scales = [1 / 8, 1 / 7, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, ...SCALES];
    const next = direction > 0
      ? scales.find((scale) => scale > this.scale) ?? scales.at(-1)
      : scales.findLast((scale) => scale < this.scale) ?? scales[0];
    this.zoomTo(next, canvas, anchor);
  }

  pan(dx, dy) { // in screen pixels
    const { view, canvas } = this;
    view.x -= dx / this.scale;
    view.y -= dy / this.scale;
    this.settle(canvas);
    this.draw();
  }

  get canvas() {
    return (this.view.mode === "side" ? this.figures[0] : this.duel).canvas;
  }

  middle() {
    return [clamp(Math.floor(this.view.x), 0, this.view.width - 1), clamp(Math.floor(this.view.y), 0, this.view.height - 1)];
  }

  // --- drawing ---

  draw() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.pending = null;
    if (!this.data || !this.root.isConnected) return;
    const { data, view, frame } = this;
    for (const [i, picture] of this.pictures.entries()) picture.refresh(data.panels[i], frame, data.width, data.height);
    if (view.mode === "side") {
      for (const [i, figure] of this.figures.entries()) {
        const panel = data.panels[i];
        figure.describe(panel.title, this.noteOf(i), panel.alt, panel.facts);
        this.paint(figure.canvas, this.pictures[i]);
        this.read(figure, [i]);
      }
    } else this.drawDuel();
    const { scale } = this;
    this.ratio.textContent = scale >= 1 ? `×${scale}` : `1 : ${Math.round(1 / scale)}`;
    this.ratio.title = scale >= 1 ? "Screen pixels for one pixel of the picture" : "Averaged: several pixels of the picture for one of the screen";
    this.root.classList.toggle("averaged", scale < 1);
    this.root.classList.toggle("zoomed", view.scale !== null && scale > this.fitted);
    this.fit.disabled = scale === this.fitted;
    this.scrubber.draw();
  }

  noteOf(i) {
    const { data, frame } = this;
    const panel = data.panels[i];
    if (frame === null) return panel.note;
    const step = data.film.steps[frame];
    if (panel.strip !== null) {
      const { clipped } = this.pictures[i];
      const lost = clipped ? `; ${(100 * clipped).toPrecision(2)} % beyond the scale` : "";
      const gain = panel.spans ? `, amplified ×${short(1 / panel.spans[frame])}` : "";
      return `step ${step}${panel.notes[frame] ? `: ${panel.notes[frame]}` : ""}${gain}${lost}`;
    }
    return panel.result ? `of the result (step ${data.film.steps[data.film.best]}), not of step ${step}` : panel.note;
  }

  drawDuel() {
    const { data, view, duel } = this;
    const pair = this.pairOf;
    const [a, b] = pair.map((i) => data.panels[i]);
    const swipe = view.mode === "swipe";
    const one = this.showing ? b : a;
    if (swipe) duel.describe(`${a.title} | ${b.title}`, `left: ${a.title}, right: ${b.title}`, `Left: ${a.alt} Right: ${b.alt}`, []);
    else duel.describe(one.title, this.noteOf(pair[this.showing]), one.alt, []);
    duel.root.classList.toggle("second", !swipe && this.showing === 1);
    const { canvas } = duel;
    if (!swipe) this.paint(canvas, this.pictures[pair[this.showing]]);
    else {
      const at = Math.round(view.split * canvas.width);
      this.paint(canvas, this.pictures[pair[0]], 0, at);
      this.paint(canvas, this.pictures[pair[1]], at, canvas.width);
      this.divider.style.left = `${100 * view.split}%`;
      this.divider.setAttribute("aria-valuenow", String(Math.round(100 * view.split)));
    }
    this.read(duel, swipe ? pair : [pair[this.showing]]);
  }

  /** Put a picture on a canvas between the columns from and to. */
  paint(canvas, picture, from = 0, to = canvas.width) {
    const context = canvas.getContext("2d");
    const { scale } = this;
    const [left, top] = this.origin(canvas);
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    context.clearRect(from, 0, to - from, canvas.height);
    context.imageSmoothingEnabled = false;
    if (scale < 1) context.drawImage(picture.average(Math.round(1 / scale)), left, top);
    else {
      const { width, height } = picture.source;
      const [x, y] = [Math.max(0, Math.floor((from - left) / scale)), Math.max(0, Math.floor(-top / scale))];
      const w = Math.min(width, Math.ceil((to - left) / scale)) - x;
      const h = Math.min(height, Math.ceil((canvas.height - top) / scale)) - y;
      if (w > 0 && h > 0) {
        context.drawImage(picture.source, x, y, w, h, left + x * scale, top + y * scale, w * scale, h * scale);
      }
    }
    context.restore();
  }

  /** The readout and the mark of the pixel that is pointed at. */
  read(figure, which) {
    const { at, scale } = this;
    figure.readout.hidden = figure.cross.hidden = !at;
    figure.note.classList.toggle("covered", Boolean(at));
    if (!at) return;
    const lines = which.map((i) => this.pictures[i].readout(...at, this.data.width));
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

  point(at) {
    this.byKeys = false;
    if (String(at) === String(this.at)) return;
    this.at = at;
    this.draw();
  }

  // --- pointer, wheel, keys ---

  /** The canvas under an event and the screen pixel in it. */
  locate(event) {
    const frame = event.target.closest?.(".frame");
    if (!frame) return null;
    const { canvas } = frame.figure;
    const box = canvas.getBoundingClientRect();
    const position = [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
    return { canvas, position };
  }

  pixelAt({ canvas, position }) {
    const [left, top] = this.origin(canvas);
    const x = Math.floor((position[0] - left) / this.scale);
    const y = Math.floor((position[1] - top) / this.scale);
    return x >= 0 && y >= 0 && x < this.view.width && y < this.view.height ? [x, y] : null;
  }

  down(event) {
    const place = this.locate(event);
    if (!place || event.target === this.divider || event.button > 0) return;
    place.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, { canvas: place.canvas, x: event.clientX, y: event.clientY });
    event.target.setPointerCapture?.(event.pointerId);
    this.grip();
    this.point(this.pixelAt(place));
  }

  grip() { // what a pinch starts from
    this.pinch = this.pointers.size > 1 ? { ...this.spread(), scale: this.scale } : null;
  }

  /** How far two fingers are apart, and the screen pixel of their canvas between them. */
  spread() {
    const [a, b] = this.pointers.values();
    const box = a.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio;
    return {
      canvas: a.canvas,
      distance: Math.hypot(a.x - b.x, a.y - b.y),
      centre: [((a.x + b.x) / 2 - box.left) * ratio, ((a.y + b.y) / 2 - box.top) * ratio],
    };
  }

  move(event) {
    const held = this.pointers.get(event.pointerId);
    const place = this.locate(event);
    if (!held) {
      if (event.target !== this.divider) this.point(place && this.pixelAt(place));
      return;
    }
    const ratio = window.devicePixelRatio;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    held.x = event.clientX;
    held.y = event.clientY;
    if (this.pointers.size === 1) {
      if (this.root.classList.contains("zoomed")) this.pan(dx * ratio, dy * ratio);
      if (place) this.point(this.pixelAt(place));
      return;
    }
    const { canvas, distance, centre } = this.spread();
    const wanted = (this.pinch.scale * distance) / this.pinch.distance;
    const nearest = SCALES.reduce((x, y) => (Math.abs(Math.log(y / wanted)) < Math.abs(Math.log(x / wanted)) ? y : x));
    this.pan(centre[0] - this.pinch.centre[0], centre[1] - this.pinch.centre[1]);
    this.pinch.centre = centre;
    if (nearest !== this.scale) this.zoomTo(wanted < this.fitted ? null : nearest, canvas, centre);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    this.grip();
  }

  wheel(event) {
    const place = this.locate(event);
    const active = this.root.getRootNode().activeElement;
    const wanted = event.ctrlKey || event.metaKey || this.full || (active && this.body.contains(active) && active.matches("canvas"));
    if (!place || !wanted) return;
    event.preventDefault();
    this.wheeled += event.deltaY * (event.deltaMode ? 40 : 1);
    if (Math.abs(this.wheeled) < 40) return;
    this.zoomBy(this.wheeled < 0 ? 1 : -1, place.canvas, place.position);
    this.wheeled = 0;
    this.point(this.pixelAt(place));
  }

  double(event) {
    const place = this.locate(event);
    if (!place || event.target === this.divider) return;
    const closer = SCALES.find((scale) => scale >= 4 * this.fitted) ?? SCALES.at(-1);
    this.zoomTo(this.view.scale === null ? closer : null, place.canvas, place.position);
  }

  focused(event) {
    const { figure } = event.target.parentElement ?? {};
    if (!figure) return;
    for (const other of [...this.figures, this.duel]) other.canvas.tabIndex = other === figure ? 0 : -1;
    if (this.view.mode === "side") this.duel.canvas.tabIndex = 0;
    if (event.target.matches(":focus-visible") && !this.pointers.size) {
      this.byKeys = true;
      this.at = this.middle();
      this.draw();
    }
  }

  key(event) {
    const on = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data) return;
    if (event.key === "Escape" && this.root.classList.contains("over")) this.toggleFull();
    if (!on.matches("canvas")) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow) {
      const { view } = this;
      const zoomed = this.root.classList.contains("zoomed");
      if (zoomed && !event.shiftKey) {
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
      const index = view.mode === "side" ? this.figures.findIndex((figure) => figure.canvas === on) : this.pairOf[this.showing];
      this.saying = setTimeout(() => {
        this.status.textContent = this.at ? this.pictures[index].readout(...this.at, view.width).join(", ") : "";
      }, 300);
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1);
    else if (event.key === "-" || event.key === "_") this.zoomBy(-1);
    else if (event.key === "0") this.zoomTo(null);
    else if (event.key === " ") {
      if (this.view.mode === "blink") {
        this.setBlinking(false);
        this.flip();
      } else {
        this.setMode("blink");
        this.duel.canvas.focus({ preventScroll: true });
      }
    } else if (event.key === "Escape" && this.view.mode !== "side" && !this.full) {
      this.setMode("side");
      this.canvas.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  split(value) {
    this.view.split = clamp(value, 0, 1);
    this.draw();
  }

  keyDivider(event) {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.split(this.view.split + step);
  }

  dragDivider(event) {
    if (event.type === "pointerdown") event.target.setPointerCapture(event.pointerId);
    if (!event.buttons) return;
    event.preventDefault();
    event.stopPropagation();
    const box = this.duel.canvas.getBoundingClientRect();
    this.split((event.clientX - box.left) / box.width);
  }
}

// --- the film -------------------------------------------------------------------------------------------------------

class Scrubber {
  constructor(viewer) {
    this.viewer = viewer;
    const button = (label, content, action) =>
      make("button", { type: "button", title: label, "aria-label": label, onclick: action }, content);
    this.heading = make("div", { class: "heading" });
    this.curves = make("div", { class: "curves", onpointerdown: (event) => this.drag(event), onpointermove: (event) => this.drag(event) });
    this.slider = make("input", {
      type: "range", min: "1", step: "1", "aria-label": "Step of the attack",
      oninput: () => this.go(this.nearest(Number(this.slider.value))),
      onkeydown: (event) => this.key(event),
    });
    this.player = button("Play", icon(ICONS.play), () => this.play(!this.viewer.playing));
    this.best = make("button", { type: "button", title: "Back to the result", onclick: () => this.go(this.film.best) }, "Result");
    this.controls = make("div", { class: "controls" },
      button("Step back", icon(ICONS.back), () => this.go(this.viewer.position - 1)),
      this.player,
      button("Step on", icon(ICONS.on), () => this.go(this.viewer.position + 1)),
      this.best);
    this.root = make("div", { class: "steps" }, this.heading, this.curves, this.slider, this.controls);
  }

  get useful() {
    return Boolean(this.film ?? this.traces?.length);
  }

  place(column) {
    this.root.style.gridColumn = column;
  }

  adopt({ film, traces, curves, panels }) {
    this.notes = panels.find((panel) => panel.notes)?.notes;
    this.film = film;
    this.traces = traces;
    this.values = curves && array(curves).values;
    this.total = traces.length ? this.values.length / traces.length : film ? film.steps.at(-1) : 0;
    this.slider.max = String(this.total);
    const scrub = film && film.steps.length > 1;
    this.slider.hidden = this.controls.hidden = !scrub;
    this.curves.classList.toggle("still", !scrub);
    const known = JSON.stringify([curves, traces, film?.best]);
    if (known === this.known) return;
    this.known = known;
    this.cursors = [];
    this.numbers = [];
    this.curves.replaceChildren(...traces.map((trace, k) => this.curve(trace, this.values.subarray(k * this.total, (k + 1) * this.total))));
  }

  x(step) {
    return this.total > 1 ? (step - 1) / (this.total - 1) : 0.5;
  }

  curve({ title, zero }, values) {
    const finite = values.filter(Number.isFinite);
    let [low, high] = finite.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
    if (zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
    if (!(high > low)) [low, high] = [low - 1, low + 1];
    const y = (value) => 3 + (94 * (high - value)) / (high - low);
    let path = "";
    for (const [i, value] of values.entries()) {
      if (Number.isFinite(value)) path += `${path ? "L" : "M"}${(100 * this.x(i + 1)).toFixed(2)} ${y(value).toFixed(2)}`;
    }
    const svg = vector("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    if (zero) svg.append(vector("path", { class: "zero", d: `M0 ${y(0)}H100` }));
    if (this.film) svg.append(vector("path", { class: "best", d: `M${100 * this.x(this.film.steps[this.film.best])} 0V100` }));
    svg.append(vector("path", { class: "line", d: path }));
    const cursor = make("span", { class: "cursor" });
    const number = make("output");
    this.cursors.push(cursor);
    this.numbers.push(number);
    return make("div", { class: "curve" }, make("div", { class: "name" }, make("span", {}, title), number), make("div", { class: "plot" }, svg, cursor));
  }

  draw() {
    if (!this.useful) return;
    const { film, viewer } = this;
    const step = film ? film.steps[viewer.position] : this.total;
    const result = film && viewer.position === film.best;
    const what = film && film.steps.length > 1 ? `of ${this.total}${result ? ", the result" : ""}` : "";
    this.heading.replaceChildren(make("b", {}, `Step ${step}`), ` ${what}`);
    for (const [k, cursor] of this.cursors.entries()) {
      cursor.style.left = `${100 * this.x(step)}%`;
      this.numbers[k].textContent = short(this.values[k * this.total + step - 1]);
    }
    this.slider.value = String(step);
    this.best.disabled = Boolean(result);
    const facts = this.traces.map((trace, k) => `${trace.title} ${this.numbers[k].textContent}`);
    const note = film && this.notes?.[viewer.position];
    this.slider.setAttribute("aria-valuetext", [`step ${step} of ${this.total}`, ...(note ? [note] : []), ...facts].join(", "));
  }

  nearest(step) {
    const { steps } = this.film;
    return steps.reduce((best, value, i) => (Math.abs(value - step) < Math.abs(steps[best] - step) ? i : best), 0);
  }

  go(position) {
    this.play(false);
    this.viewer.setPosition(clamp(position, 0, this.film.steps.length - 1));
  }

  key(event) {
    const { position } = this.viewer;
    const goal = {
      ArrowLeft: position - 1, ArrowDown: position - 1, ArrowRight: position + 1, ArrowUp: position + 1,
      PageDown: position - 8, PageUp: position + 8, Home: 0, End: this.film.steps.length - 1,
    }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    this.go(goal);
  }

  drag(event) {
    const plot = event.target.closest(".plot") ?? this.dragged;
    if (event.type === "pointerdown" && plot && this.film) {
      this.dragged = plot;
      event.currentTarget.setPointerCapture(event.pointerId);
    }
    if (!event.buttons || !this.dragged || !this.film) return;
    const box = this.dragged.getBoundingClientRect();
    this.go(this.nearest(1 + ((event.clientX - box.left) / box.width) * (this.total - 1)));
  }

  play(on) {
    const { viewer } = this;
    clearInterval(viewer.playing);
    viewer.playing = null;
    if (on) {
      const last = this.film.steps.length - 1;
      if (viewer.position >= last) viewer.setPosition(0);
      viewer.playing = setInterval(() => {
        if (viewer.position >= last) this.play(false);
        else viewer.setPosition(viewer.position + 1);
      }, 120);
    }
    this.player.replaceChildren(icon(on ? ICONS.pause : ICONS.play));
    this.player.title = on ? "Pause" : "Play";
    this.player.setAttribute("aria-label", this.player.title);
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(parentElement);
  if (viewer?.root !== root) {
    viewer?.dispose();
    viewer = new Viewer(root);
    viewers.set(parentElement, viewer);
  }
  viewer.next = data;
  viewer.adopt();
  return () => {
    viewer.dispose();
    viewers.delete(parentElement);
  };
}
