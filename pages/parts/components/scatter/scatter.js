// Embeddings side by side. The points come through cargo.js; here they are drawn, played, hovered over and selected.

const GAP = 16;
const NARROWEST = 300; // of a panel, in CSS pixels; below that they stand above each other
const HIGHEST = 460;
const STEP = 420; // milliseconds from one epoch to the next
const NEAR = 9; // CSS pixels from a point that count as on it
const DAMPED = 0.28; // opacity of what is not selected

const holds = (globalThis[Symbol.for("smoothscope.cargo")] ??= new Map());
const plots = new Map(); // element -> Plot

function floats(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

function shorts(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
}

function cargo(name) {
  for (const parcel of holds.values()) if (parcel.name === name) return parcel.content;
  return undefined;
}

addEventListener("smoothscope.cargo", () => plots.forEach((plot) => plot.adopt()));

/** Lay a marker over an opaque picture. By hand: ten thousand a frame are too many for drawImage without a GPU. */
function stamp(picture, marker, left, top, opacity) {
  const [size, width] = [marker.width, picture.width];
  const [below, above] = [picture.data, marker.data];
  for (let v = Math.max(0, -top); v < size && top + v < picture.height; v++) {
    for (let u = Math.max(0, -left); u < size && left + u < width; u++) {
      const source = 4 * (v * size + u);
      const share = (above[source + 3] * opacity) / 255;
      if (!share) continue;
      const target = 4 * ((top + v) * width + left + u);
      for (let c = 0; c < 3; c++) below[target + c] += share * (above[source + c] - below[target + c]);
    }
  }
}

/** Round numbers between two ends, about `n` of them. */
function ticks(low, high, n) {
  const raw = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return found.map((value) => ({ value, text: value.toFixed(digits).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−") }));
}

function inside(polygon, x, y) {
  let found = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i];
    const [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) found = !found;
  }
  return found;
}

class Plot {
  constructor(host) {
    this.host = host;
    this.mode = "lasso";
    this.errors = false;
    this.hidden = new Set();
    this.time = undefined; // position among `epochs`; between two while playing
    this.views = []; // of each panel: centre and CSS pixels for one unit
    this.sprites = new Map();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(host);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.running);
    this.running = undefined;
  }

  update(data, report) {
    this.report = report;
    this.data = data;
    this.selected = new Set(data.selected);
    this.adopt();
  }

  /** Take the points up, once they have come. */
  adopt() {
    if (!this.data) return;
    const content = cargo(this.data.cargo);
    if (content === undefined) return;
    if (this.name !== this.data.cargo) {
      const before = this.content;
      this.name = this.data.cargo;
      this.content = content;
      this.panels = content.panels.map((panel) => ({
        ...panel, points: floats(panel.points), answers: shorts(panel.answers),
      }));
      this.n = content.labels.length;
      const epochs = [...new Set(this.panels.flatMap((panel) => panel.epochs))].sort((a, b) => a - b);
      if (this.time === undefined || JSON.stringify(epochs) !== JSON.stringify(this.epochs)) this.time = epochs.length - 1;
      this.epochs = epochs;
      if (JSON.stringify(before?.panels.map((p) => [p.title, p.extent])) !== JSON.stringify(content.panels.map((p) => [p.title, p.extent]))) this.views = [];
      this.build();
    }
    this.host.dataset.selected = this.selected.size;
    this.clear.disabled = !this.selected.size;
    this.draw();
  }

  build() {
    const { classes } = this.content;
    const tool = (mode, text, help) =>
      make("button", { type: "button", title: help, "aria-pressed": String(this.mode === mode), "data-mode": mode,
        onclick: () => this.choose(mode) }, text);
    this.tools = [
      tool("lasso", "Lasso", "Draw round points to select them"),
      tool("box", "Box", "Draw a box to select what is in it"),
      tool("move", "Move", "Drag to move, turn the wheel to zoom"),
    ];
    this.clear = make("button", { type: "button", onclick: () => this.pick([]) }, "Clear selection");
    const home = make("button", { type: "button", title: "Show all again", onclick: () => this.reset() }, "Reset view");
    const wrong = make("button", { type: "button", "aria-pressed": String(this.errors), title: "Ring what the network gets wrong at this epoch",
      onclick: () => { this.errors = !this.errors; wrong.setAttribute("aria-pressed", String(this.errors)); this.draw(); } }, "Ring errors");
    const toolbar = make("div", { class: "toolbar" }, make("span", { class: "modes" }, ...this.tools), home, wrong, this.clear);

    this.canvases = [];
    this.notes = [];
    this.whens = [];
    const figures = this.panels.map((panel, p) => {
      const canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": `${panel.title}: ${this.n} images as points. ${panel.note}` });
      this.canvases.push(canvas);
      this.listen(canvas, p);
      const when = make("span", { class: "when" });
      this.whens.push(when);
      return make("figure", {}, make("figcaption", { title: panel.title }, make("b", {}, panel.title), when), canvas, make("p", { class: "note" }, panel.note));
    });
    this.grid = make("div", { class: "panels" }, ...figures);

    this.swatches = classes.map(() => make("canvas", { width: 32, height: 32 }));
    this.legend = make("div", { class: "legend" }, ...classes.map((name, c) => {
      const button = make("button", { type: "button", title: "Hide or show this class", "aria-pressed": String(!this.hidden.has(c)),
        onclick: () => {
          this.hidden.has(c) ? this.hidden.delete(c) : this.hidden.add(c);
          button.setAttribute("aria-pressed", String(!this.hidden.has(c)));
          this.draw();
        } }, this.swatches[c], name);
      return button;
    }));

    this.slider = make("input", { type: "range", min: 0, max: this.epochs.length - 1, step: 1, "aria-label": "Epoch",
      oninput: () => { const chosen = Number(this.slider.value); this.stop(); this.time = chosen; this.draw(); } });
    this.play = make("button", { type: "button", class: "play", "aria-label": "Play", onclick: () => this.running ? this.stop() : this.start() }, "▶");
    this.label = make("span", { class: "epoch" });
    const player = make("div", { class: "player", hidden: this.epochs.length < 2 }, this.play, this.slider, this.label);

    this.thumbnail = make("span", { class: "thumbnail" });
    this.caption = make("span");
    this.tip = make("div", { class: "tip", hidden: true }, this.thumbnail, this.caption);
    this.host.replaceChildren(toolbar, this.legend, this.grid, player, this.tip);
    this.sprites.clear();
    this.resize();
  }

  choose(mode) {
    this.mode = mode;
    for (const button of this.tools) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    this.host.dataset.mode = mode;
  }

  reset() {
    this.views = [];
    this.draw();
  }

  resize() {
    if (!this.content) return;
    const width = this.host.clientWidth;
    if (!width) return;
    let columns = this.panels.length;
    while (columns > 1 && (width - GAP * (columns - 1)) / columns < NARROWEST) columns--;
    this.width = Math.floor((width - GAP * (columns - 1)) / columns);
    this.height = Math.min(HIGHEST, Math.max(240, Math.round(this.width * 0.86)));
    this.grid.style.gridTemplateColumns = `repeat(${columns}, ${this.width}px)`;
    const ratio = devicePixelRatio || 1;
    for (const canvas of this.canvases) {
      canvas.width = this.width * ratio;
      canvas.height = this.height * ratio;
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${this.height}px`;
    }
    this.views = [];
    this.sprites.clear();
    this.draw();
  }

  view(p) {
    if (!this.views[p]) {
      const [left, right, bottom, top] = this.panels[p].extent;
      const scale = Math.min(this.width / (right - left), this.height / (top - bottom));
      this.views[p] = { x: (left + right) / 2, y: (bottom + top) / 2, scale };
    }
    return this.views[p];
  }

  /** Row of a panel's points at a place on the time line, and how far it is on the way to the next. */
  moment(p, time) {
    const epochs = this.panels[p].epochs;
    const row = (t) => Math.max(0, epochs.findLastIndex((epoch) => epoch <= this.epochs[t]));
    const [from, to] = [row(Math.floor(time)), row(Math.ceil(time))];
    return { from, to, share: from === to ? 0 : time - Math.floor(time) };
  }

  /** Where the points of panel p are now, in the plane: [x0, y0, x1, y1, ...]. */
  positions(p) {
    const { from, to, share } = this.moment(p, this.time);
    const points = this.panels[p].points;
    const first = points.subarray(2 * this.n * from, 2 * this.n * (from + 1));
    if (!share) return first;
    const second = points.subarray(2 * this.n * to, 2 * this.n * (to + 1));
    const between = new Float32Array(first.length);
    for (let i = 0; i < between.length; i++) between[i] = first[i] + share * (second[i] - first[i]);
    return between;
  }

  screen(p, x, y) {
    const view = this.view(p);
    return [this.width / 2 + (x - view.x) * view.scale, this.height / 2 - (y - view.y) * view.scale];
  }

  /** A class's colour; the one that is nearly black is the text's, which can be seen on a dark page too. */
  colour(c) {
    return c % 10 === 9 ? this.ink : this.content.colours[c % 10];
  }

  /** The pixels of a marker. */
  sprite(kind, radius, ratio, colour) {
    const key = `${kind} ${colour}`;
    if (!this.sprites.has(key)) {
      const size = 2 * Math.ceil((radius + 1) * ratio);
      const context = make("canvas", { width: size, height: size }).getContext("2d");
      context.fillStyle = colour;
      context.strokeStyle = this.paper;
      context.lineWidth = 0.6 * ratio;
      trace(context, this.content.symbols[kind], size / 2, size / 2, radius * ratio);
      context.fill();
      context.stroke();
      this.sprites.set(key, context.getImageData(0, 0, size, size));
    }
    return this.sprites.get(key);
  }

  draw() {
    if (!this.content || !this.width) return;
    const style = getComputedStyle(this.host);
    const ink = style.getPropertyValue("--st-text-color").trim();
    const paper = style.getPropertyValue("--st-background-color").trim();
    const changed = paper !== this.paper || !this.sprites.size;
    [this.ink, this.paper] = [ink, paper];
    this.unlit = style.getPropertyValue("--ss-grey").trim();
    if (changed) {
      this.sprites.clear();
      this.swatches.forEach((swatch, c) => {
        const context = swatch.getContext("2d");
        context.clearRect(0, 0, 32, 32);
        context.fillStyle = this.colour(c);
        trace(context, this.content.symbols[c % 10], 16, 16, 11);
        context.fill();
      });
    }
    this.canvases.forEach((canvas, p) => this.paint(canvas, p));
    const whole = Math.round(this.time);
    this.slider.value = whole;
    this.label.textContent = `after epoch ${this.epochs[Math.floor(this.time)]}`;
    this.whens.forEach((when, p) => {
      const epoch = this.panels[p].epochs[this.moment(p, this.time).from];
      when.textContent = this.epochs.length > 1 ? `after epoch ${epoch}` : "";
    });
  }

  paint(canvas, p) {
    const ratio = devicePixelRatio || 1;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const view = this.view(p);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.paper;
    context.fillRect(0, 0, this.width, this.height);
    this.axes(context, p);
    const positions = this.positions(p);
    const { labels } = this.content;
    const radius = this.n > 4000 ? 2.4 : this.n > 1500 ? 3.4 : 4.6;
    const lit = (i) => !this.selected.size || this.selected.has(i);
    const grey = this.content.symbols.map((_, kind) => this.sprite(kind, radius, ratio, this.unlit));
    const coloured = this.content.symbols.map((_, kind) => this.sprite(kind, radius, ratio, this.colour(kind)));
    const { width, height } = canvas;
    const [ox, oy, scale] = [ratio * this.width / 2, ratio * this.height / 2, ratio * view.scale];
    const half = coloured[0].width / 2;
    const picture = context.getImageData(0, 0, width, height);
    for (const bright of this.selected.size ? [false, true] : [true]) {
      const sprites = bright ? coloured : grey;
      const opacity = bright ? (this.n > 4000 ? 0.7 : 0.85) : DAMPED;
      for (let i = 0; i < this.n; i++) {
        if (lit(i) !== bright || this.hidden.has(labels[i])) continue;
        const x = Math.round(ox + scale * (positions[2 * i] - view.x) - half);
        const y = Math.round(oy - scale * (positions[2 * i + 1] - view.y) - half);
        stamp(picture, sprites[labels[i] % 10], x, y, opacity);
      }
    }
    context.putImageData(picture, 0, 0);
    if (this.errors) {
      const { from } = this.moment(p, this.time);
      const answers = this.panels[p].answers;
      context.strokeStyle = this.ink;
      context.lineWidth = 1.6;
      for (let i = 0; i < this.n; i++) {
        if (answers[from * this.n + i] === labels[i] || this.hidden.has(labels[i]) || !lit(i)) continue;
        const [x, y] = this.screen(p, positions[2 * i], positions[2 * i + 1]);
        context.beginPath();
        context.arc(x, y, radius + 3.5, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    this.trail(context, p);
    if (this.drag?.p === p && this.drag.path) {
      context.strokeStyle = this.ink;
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      context.beginPath();
      this.outline().forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x, y));
      context.closePath();
      context.stroke();
      context.setLineDash([]);
    }
    // For whoever wants to know where a point is on the screen.
    canvas.dataset.view = JSON.stringify([view.x, view.y, view.scale, this.width, this.height]);
    canvas.dataset.epoch = this.panels[p].epochs[this.moment(p, this.time).from];
  }

  axes(context, p) {
    const view = this.view(p);
    const [halfX, halfY] = [this.width / 2 / view.scale, this.height / 2 / view.scale];
    context.strokeStyle = this.ink;
    context.fillStyle = this.ink;
    context.lineWidth = 1;
    context.font = `12px ${getComputedStyle(this.host).fontFamily}`;
    context.textBaseline = "alphabetic";
    for (const { value, text } of ticks(view.x - halfX, view.x + halfX, this.width / 90)) {
      const [x] = this.screen(p, value, 0);
      context.globalAlpha = 0.1;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, this.height);
      context.stroke();
      context.globalAlpha = 0.62;
      context.textAlign = "center";
      if (x > 24 && x < this.width - 24) context.fillText(text, x, this.height - 5);
    }
    for (const { value, text } of ticks(view.y - halfY, view.y + halfY, this.height / 80)) {
      const [, y] = this.screen(p, 0, value);
      context.globalAlpha = 0.1;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(this.width, y);
      context.stroke();
      context.globalAlpha = 0.62;
      context.textAlign = "left";
      if (y > 14 && y < this.height - 22) context.fillText(text, 5, y + 4);
    }
    context.globalAlpha = 1;
  }

  /** The way of an attack: from a ring to a cross, with a flag where the answer changes. */
  trail(context, p) {
    const trail = this.data.trails[p];
    if (!trail || this.time < this.epochs.length - 1) return; // it is the finished network that was attacked
    const way = trail.points.map(([x, y]) => this.screen(p, x, y));
    const line = (colour, width) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.lineJoin = "round";
      context.beginPath();
      way.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x, y));
      context.stroke();
    };
    line(this.paper, 6);
    line(this.ink, 2.5);
    const spot = (at, symbol, radius, text, up) => {
      const [x, y] = way[at];
      trace(context, symbol, x, y, radius);
      context.fillStyle = this.ink;
      context.strokeStyle = this.paper;
      context.lineWidth = 2;
      context.fill();
      context.stroke();
      context.font = `600 13px ${getComputedStyle(this.host).fontFamily}`;
      const room = context.measureText(text).width + 12;
      const side = x + radius + room < this.width ? 1 : -1;
      context.textAlign = side > 0 ? "left" : "right";
      context.lineWidth = 4;
      context.strokeText(text, x + side * (radius + 4), y + up);
      context.fillText(text, x + side * (radius + 4), y + up);
    };
    const last = way.length - 1;
    spot(0, "circle", 6, "clean", 16);
    if (trail.flip !== null && trail.flip < last) spot(trail.flip, "star", 9, "label flips", 4);
    spot(last, "x", 7, trail.flip === last ? "adversarial, label flips" : trail.flip === null ? "still the same label" : "adversarial", -8);
  }

  outline() {
    const { path } = this.drag;
    if (this.mode === "lasso") return path;
    const [[a, b], [c, d]] = [path[0], path[path.length - 1]];
    return [[a, b], [c, b], [c, d], [a, d]];
  }

  /** The row under a place on the screen, or undefined. */
  under(p, x, y) {
    const positions = this.positions(p);
    let [best, found] = [NEAR ** 2, undefined];
    for (let i = 0; i < this.n; i++) {
      if (this.hidden.has(this.content.labels[i])) continue;
      const [u, v] = this.screen(p, positions[2 * i], positions[2 * i + 1]);
      const far = (u - x) ** 2 + (v - y) ** 2;
      if (far < best) [best, found] = [far, i];
    }
    return found;
  }

  listen(canvas, p) {
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      const at = place(event);
      this.drag = this.mode === "move" ? { p, at, moved: 0 } : { p, path: [at], moved: 0 };
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = place(event);
      if (this.drag?.p !== p) return this.hover(p, at, event);
      this.tip.hidden = true;
      const last = this.drag.path ? this.drag.path[this.drag.path.length - 1] : this.drag.at;
      this.drag.moved += Math.abs(at[0] - last[0]) + Math.abs(at[1] - last[1]);
      if (this.drag.path) this.drag.path.push(at);
      else {
        const view = this.view(p);
        view.x -= (at[0] - last[0]) / view.scale;
        view.y += (at[1] - last[1]) / view.scale;
        this.drag.at = at;
      }
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (this.drag?.p !== p) return;
      const drag = this.drag;
      const outline = drag.path && this.outline();
      this.drag = undefined;
      if (drag.moved < 5) {
        const row = this.under(p, ...place(event));
        if (row !== undefined || this.selected.size) this.pick(row === undefined ? [] : [row]);
        return;
      }
      if (outline) {
        const positions = this.positions(p);
        const rows = [];
        for (let i = 0; i < this.n; i++) {
          if (this.hidden.has(this.content.labels[i])) continue;
          if (inside(outline, ...this.screen(p, positions[2 * i], positions[2 * i + 1]))) rows.push(i);
        }
        this.pick(rows);
      }
    });
    canvas.addEventListener("pointercancel", () => { this.drag = undefined; this.draw(); });
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("wheel", (event) => {
      if (this.mode !== "move" && !event.ctrlKey) return; // the page scrolls
      event.preventDefault();
      const [x, y] = place(event);
      this.zoom(p, x, y, Math.exp(-event.deltaY / 400));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("keydown", (event) => {
      const factor = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
      if (factor) this.zoom(p, this.width / 2, this.height / 2, factor);
      else if (event.key === "0") this.reset();
      else if (event.key === "Escape") this.pick([]);
    });
  }

  zoom(p, x, y, factor) {
    const view = this.view(p);
    const [dx, dy] = [x - this.width / 2, y - this.height / 2];
    const scale = view.scale * factor;
    view.x += dx / view.scale - dx / scale;
    view.y -= dy / view.scale - dy / scale;
    view.scale = scale;
    this.draw();
  }

  hover(p, [x, y], event) {
    const row = this.under(p, x, y);
    this.tip.hidden = row === undefined;
    if (row === undefined) return;
    const { sheet, classes, labels, indices } = this.content;
    const zoom = sheet.width <= 48 ? 3 : 1;
    Object.assign(this.thumbnail.style, {
      width: `${sheet.width * zoom}px`,
      height: `${sheet.height * zoom}px`,
      backgroundImage: `url(${sheet.url})`,
      backgroundSize: `${sheet.columns * sheet.width * zoom}px auto`,
      backgroundPosition: `-${(row % sheet.columns) * sheet.width * zoom}px -${Math.floor(row / sheet.columns) * sheet.height * zoom}px`,
    });
    const answer = this.panels[p].answers[this.moment(p, this.time).from * this.n + row];
    const name = classes[labels[row]];
    this.caption.textContent = `${name}${answer === labels[row] ? "" : `, called ${classes[answer]}`} (test image ${indices[row]})`;
    const box = this.host.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    const side = left > box.width / 2 ? -1 : 1;
    this.tip.style.left = `${left + (side > 0 ? 14 : -14)}px`;
    this.tip.style.top = `${top + 12}px`;
    this.tip.style.transform = side > 0 ? "" : "translateX(-100%)";
  }

  pick(rows) {
    this.selected = new Set(rows);
    this.host.dataset.selected = rows.length;
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
    const frame = (now) => {
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
    this.running = undefined;
    this.time = Math.floor(this.time); // what is looked at is an epoch, not a place between two
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
    this.draw();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".scatter");
  if (!plots.has(host)) plots.set(host, new Plot(host));
  const plot = plots.get(host);
  plot.update(data, (rows) => setTriggerValue("picked", rows));
  return () => {
    if (host.isConnected) return;
    plot.close();
    plots.delete(host);
  };
}
