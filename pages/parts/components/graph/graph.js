// The graph of a batch on one canvas. Looking (hovering, moving, enlarging) stays in the browser; a click reports the
// image.

const HIGHEST = 560;
const LIMITS = { least: 0.5, most: 30 };
const NEAR = 11; // CSS pixels from a point's middle that count as on it
const BESIDE = 5; // and from an edge
const STILL = 4; // a press that moves less is a click
const START = { x: 0, y: 0, zoom: 1 };
const cameras = new Map(); // view -> camera
const graphs = new Map(); // parent element -> Graph

/** Distance of (x, y) from the piece of a line between two points. */
function beside([ax, ay], [bx, by], x, y) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = clamp(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1), 0, 1);
  return Math.hypot(ax + along * dx - x, ay + along * dy - y);
}

class Graph {
  constructor(root) {
    this.root = root;
    this.pictures = false;
    this.pressed = null;
    this.canvas = make("canvas", { class: "board", tabindex: "0", role: "img" });
    this.legend = make("div", { class: "legend" });
    this.tip = make("div", { class: "tip", hidden: true });
    this.faces = make("button", { type: "button", "aria-pressed": "false", title: "Show the images themselves, framed in their class's colour",
      onclick: () => { this.pictures = !this.pictures; this.faces.setAttribute("aria-pressed", String(this.pictures)); this.ask(); } }, "Pictures");
    root.replaceChildren(
      make("div", { class: "toolbar" }, this.faces, button("−", "Farther away", () => this.zoom(1 / 1.3)),
        button("+", "Nearer", () => this.zoom(1.3)), button("Reset view", "Reset view", () => this.look(START))),
      this.canvas, this.legend, this.tip,
    );
    this.listen();
    this.unwatch = watch(root, () => this.ask());
  }

  dispose() {
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    this.unwatch();
  }

  get camera() {
    return cameras.get(this.data.view) ?? START;
  }

  adopt(data, report) {
    this.report = report;
    this.data = data;
    this.picked = data.picked;
    this.tip.hidden = true;
    this.canvas.setAttribute("aria-label", data.alt);
    if (this.url !== data.sheet.url) {
      this.url = data.sheet.url;
      this.sheet = new Image();
      this.sheet.onload = () => this.ask();
      this.sheet.src = this.url;
    }
    const there = [...new Set(data.labels)].sort((a, b) => a - b);
    this.legend.replaceChildren(...there.map((c) => make("span", { "data-class": c }, make("canvas", { width: 32, height: 32 }), data.classes[c])));
    this.ask();
  }

  listen() {
    const { canvas } = this;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pressed = { x: event.clientX, y: event.clientY, from: this.camera, moved: false };
    };
    canvas.onpointermove = (event) => {
      if (!this.pressed) return this.say(event);
      const [dx, dy] = [event.clientX - this.pressed.x, event.clientY - this.pressed.y];
      if (!this.pressed.moved && Math.hypot(dx, dy) < STILL) return;
      this.pressed.moved = true;
      this.tip.hidden = true;
      canvas.classList.add("held");
      const { x, y, zoom } = this.pressed.from;
      this.look({ x: x - dx / (this.scale * zoom), y: y + dy / (this.scale * zoom), zoom });
    };
    canvas.onpointerup = (event) => {
      if (this.pressed && !this.pressed.moved) this.pick(this.vertex(event));
      this.release();
    };
    canvas.onpointercancel = () => this.release();
    canvas.onpointerleave = () => (this.tip.hidden = true);
    canvas.ondblclick = () => this.look(START);
    canvas.onkeydown = (event) => this.key(event);
    enlargeByWheel(canvas, (factor) => this.zoom(factor));
  }

  release() {
    this.pressed = null;
    this.canvas.classList.remove("held");
  }

  key(event) {
    const n = this.data.points.length;
    const act = {
      "+": () => this.zoom(1.3), "-": () => this.zoom(1 / 1.3), Home: () => this.look(START), Escape: () => this.pick(-1),
      ArrowRight: () => this.pick((this.picked + 1) % n), ArrowLeft: () => this.pick((Math.max(this.picked, 0) + n - 1) % n),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  pick(row) {
    if (row === this.picked) return;
    this.picked = row;
    this.ask();
    this.report(row);
  }

  look(camera) {
    cameras.set(this.data.view, { ...camera, zoom: clamp(camera.zoom, LIMITS.least, LIMITS.most) });
    this.ask();
  }

  zoom(factor) {
    this.look({ ...this.camera, zoom: this.camera.zoom * factor });
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  vertex(event) {
    const [x, y] = this.at(event);
    let [best, least] = [-1, NEAR];
    this.places.forEach(([u, v], row) => {
      const distance = Math.hypot(u - x, v - y);
      if (distance < least) [best, least] = [row, distance];
    });
    return best;
  }

  /** The strongest punished edge under the pointer. */
  edge(event) {
    const [x, y] = this.at(event);
    const { ends, punished } = this.data;
    return ends.findLastIndex(([i, j], e) => punished[e] && this.drawn(i, j) && beside(this.places[i], this.places[j], x, y) < BESIDE);
  }

  drawn(i, j) {
    return this.picked < 0 || i === this.picked || j === this.picked;
  }

  say(event) {
    if (!this.places) return;
    const row = this.vertex(event);
    const edge = row < 0 ? this.edge(event) : -1;
    this.canvas.classList.toggle("over", row >= 0);
    this.tip.hidden = row < 0 && edge < 0;
    if (this.tip.hidden) return;
    const { ends, notes, labels, classes, weights } = this.data;
    const rows = row >= 0 ? [row] : ends[edge];
    const text = row >= 0 ? `${classes[labels[row]]}: ${notes[row]}` : `${rows.map((r) => classes[labels[r]]).join(" – ")}: weight ${weights[edge]}`;
    this.tip.replaceChildren(make("div", { class: "pictures" }, ...rows.map((r) => this.thumbnail(r))), text);
    const [x, y] = this.at(event);
    const side = x > this.canvas.clientWidth / 2 ? -this.tip.offsetWidth - 14 : 14;
    const lower = clamp(y + 10, 0, Math.max(0, this.canvas.clientHeight - this.tip.offsetHeight));
    this.tip.style.left = `${x + side}px`;
    this.tip.style.top = `${this.canvas.offsetTop + lower}px`;
  }

  thumbnail(row) {
    const { url, width, height, columns } = this.data.sheet;
    const zoom = Math.max(1, Math.floor(84 / height));
    const place = make("span");
    Object.assign(place.style, {
      width: `${zoom * width}px`, height: `${zoom * height}px`, backgroundImage: `url(${url})`,
      backgroundSize: `${zoom * width * columns}px auto`,
      backgroundPosition: `${-zoom * width * (row % columns)}px ${-zoom * height * Math.floor(row / columns)}px`,
    });
    return place;
  }

  ask() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.pending = 0;
    const { canvas, data } = this;
    if (!this.root.isConnected || !data) return;
    const width = canvas.clientWidth;
    const height = Math.min(HIGHEST, Math.max(260, width * 0.9));
    const ratio = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const style = getComputedStyle(this.root);
    const [ink, paper] = [style.color, style.getPropertyValue("--st-background-color")];
    const colour = (c) => (c % 10 === 9 ? ink : data.colours[c % 10]); // the last is nearly black: seen on no dark page
    const [left, right, bottom, top] = data.extent;
    const { x, y, zoom } = this.camera;
    this.scale = Math.min(width / (right - left), height / (top - bottom));
    this.places = data.points.map(([u, v]) => [
      width / 2 + (u - x - (left + right) / 2) * this.scale * zoom, height / 2 - (v - y - (bottom + top) / 2) * this.scale * zoom,
    ]);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    let count = 0;
    for (const red of [0, 1]) { // what is punished lies above the rest
      context.strokeStyle = data.inks[red];
      data.ends.forEach(([i, j], e) => {
        if (data.punished[e] !== red || !this.drawn(i, j)) return;
        const opacity = data.opacities[e];
        context.globalAlpha = (red ? 0.95 : 0.45) * opacity;
        context.lineWidth = 0.6 + (red ? 2.6 : 0.8) * opacity;
        context.beginPath();
        context.moveTo(...this.places[i]);
        context.lineTo(...this.places[j]);
        context.stroke();
        count++;
      });
    }
    context.globalAlpha = 1;
    const faces = this.pictures && this.sheet?.complete;
    this.places.forEach(([u, v], row) => {
      const c = data.labels[row];
      if (faces) this.face(context, u, v, row, colour(c));
      else {
        trace(context, data.symbols[c % 10], u, v, 6.5);
        context.fillStyle = colour(c);
        context.fill();
        context.strokeStyle = paper;
        context.lineWidth = 1;
        context.stroke();
      }
    });
    if (this.picked >= 0) {
      context.beginPath();
      context.arc(...this.places[this.picked], faces ? 22 : 12, 0, 2 * Math.PI);
      [, context.strokeStyle] = data.inks;
      context.lineWidth = 3;
      context.stroke();
    }
    for (const swatch of this.legend.children) {
      const c = Number(swatch.dataset.class);
      const small = swatch.firstChild.getContext("2d");
      small.clearRect(0, 0, 32, 32);
      small.fillStyle = colour(c);
      trace(small, data.symbols[c % 10], 16, 16, 11);
      small.fill();
    }
    this.root.dataset.edges = count;
    this.root.dataset.places = JSON.stringify(this.places.map((place) => place.map(Math.round)));
  }

  /** The image itself, pixel for pixel of the screen's CSS pixels, in a frame of its class's colour. */
  face(context, u, v, row, colour) {
    const { width, height, columns } = this.data.sheet;
    const [left, top] = [Math.round(u - width / 2), Math.round(v - height / 2)];
    context.fillStyle = colour;
    context.fillRect(left - 2, top - 2, width + 4, height + 4);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.sheet, width * (row % columns), height * Math.floor(row / columns), width, height, left, top, width, height);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".graph");
  let graph = graphs.get(parentElement);
  if (graph?.root !== root) {
    graph?.dispose();
    graph = new Graph(root);
    graphs.set(parentElement, graph);
  }
  graph.adopt(data, (row) => setTriggerValue("picked", row));
  return () => {
    if (root.isConnected) return;
    graph.dispose();
    graphs.delete(parentElement);
  };
}
