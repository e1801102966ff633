// Points in three dimensions on plain canvases. One camera for all views of an element; it is kept by name for as long
// as the window is open, so that new data (a slider has moved) leave it alone.

const START = { turn: 0.72, tilt: 0.4, zoom: 1 };
const FAR = 4.2; // of the eye from the origin, in radii
const LENS = 4; // the eye's focal length, in radii; a sphere of one radius just fits
const LIMITS = { tilt: Math.PI / 2, least: 0.4, most: 12 };
const TURN = 0.12; // of an arrow key, in radians
const SPIN = 0.35; // radians a second
const cameras = new Map(); // view -> camera
const orbits = new Map(); // parent element -> Orbit

class Orbit {
  constructor(root) {
    this.root = root;
    this.scenes = [];
    this.pointers = new Map();
    this.pending = 0;
    this.spinning = false;
    this.spinner = make("button", { type: "button", "aria-pressed": "false" }, "Spin");
    this.spinner.onclick = () => this.spin(!this.spinning);
    this.grid = make("div", { class: "scenes" });
    this.legend = make("div", { class: "legend" });
    root.replaceChildren(
      make("div", { class: "toolbar" }, this.spinner, button("−", "Farther away", () => this.zoom(1 / 1.25)),
        button("+", "Nearer", () => this.zoom(1.25)), button("Reset view", "Reset view", () => this.look(START)),
        make("span", { class: "hint" }, "Drag to walk around, or use the arrow keys.")),
      this.grid, this.legend,
    );
    this.unwatch = watch(root, () => this.ask());
  }

  dispose() {
    cancelAnimationFrame(this.pending);
    this.unwatch();
  }

  get camera() {
    return cameras.get(this.view) ?? START;
  }

  adopt(data) {
    this.view = data.view;
    this.height = data.height;
    while (this.scenes.length > data.scenes.length) this.scenes.pop().figure.remove();
    while (this.scenes.length < data.scenes.length) this.scenes.push(this.scene());
    data.scenes.forEach((described, i) => {
      const scene = this.scenes[i];
      scene.data = described;
      scene.caption.textContent = described.title;
      scene.caption.hidden = !described.title;
      scene.note.textContent = described.note;
      scene.canvas.setAttribute("aria-label", described.alt);
      scene.said.hidden = true;
    });
    const known = new Map();
    for (const { clouds } of data.scenes) for (const cloud of clouds) if (cloud.legend && !known.has(cloud.name)) known.set(cloud.name, cloud);
    this.keys = [...known.values()];
    this.legend.replaceChildren(...this.keys.map(({ name }) => make("span", {}, make("canvas", { width: 32, height: 32 }), name)));
    this.ask();
  }

  scene() {
    const canvas = make("canvas", { tabindex: "0", role: "img" });
    const scene = { canvas, caption: make("figcaption"), note: make("span", { class: "note" }), said: make("div", { class: "said", hidden: "" }), drawn: [] };
    scene.figure = make("figure", {}, scene.caption, canvas, scene.said, scene.note);
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
      canvas.classList.add("held");
      this.spin(false);
    };
    canvas.onpointermove = (event) => this.move(scene, event);
    canvas.onpointerup = canvas.onpointercancel = (event) => {
      this.pointers.delete(event.pointerId);
      canvas.classList.remove("held");
    };
    canvas.onpointerleave = () => (scene.said.hidden = true);
    canvas.ondblclick = () => this.look(START);
    canvas.onkeydown = (event) => this.key(event);
    enlargeByWheel(canvas, (factor) => this.zoom(factor));
    this.grid.append(scene.figure);
    return scene;
  }

  look(camera) {
    cameras.set(this.view, { ...camera, tilt: clamp(camera.tilt, -LIMITS.tilt, LIMITS.tilt), zoom: clamp(camera.zoom, LIMITS.least, LIMITS.most) });
    this.ask();
  }

  zoom(factor) {
    this.look({ ...this.camera, zoom: this.camera.zoom * factor });
  }

  move(scene, event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.say(scene, event);
    const spread = () => {
      const [a, b] = [...this.pointers.values()];
      return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
    };
    const gap = spread();
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (gap) return this.zoom(spread() / gap);
    const scale = 3.4 / scene.canvas.clientWidth;
    const { turn, tilt, zoom } = this.camera;
    this.look({ turn: turn - (event.clientX - before[0]) * scale, tilt: tilt + (event.clientY - before[1]) * scale, zoom });
  }

  key(event) {
    const { turn, tilt, zoom } = this.camera;
    const goal = {
      ArrowLeft: { turn: turn + TURN, tilt, zoom }, ArrowRight: { turn: turn - TURN, tilt, zoom },
      ArrowUp: { turn, tilt: tilt - TURN, zoom }, ArrowDown: { turn, tilt: tilt + TURN, zoom },
      "+": { turn, tilt, zoom: zoom * 1.25 }, "-": { turn, tilt, zoom: zoom / 1.25 }, Home: START,
    }[event.key];
    if (!goal) return;
    event.preventDefault();
    this.look(goal);
  }

  spin(on) {
    this.spinning = on;
    this.spinner.setAttribute("aria-pressed", String(on));
    this.last = performance.now();
    if (on) this.ask();
  }

  say(scene, event) {
    const box = scene.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let least = 14;
    for (const point of scene.drawn) {
      const distance = Math.hypot(point.x - x, point.y - y) - (point.solid ? 4 : 0);
      if (distance < least) [best, least] = [point, distance];
    }
    scene.said.hidden = !best;
    if (!best) return;
    scene.said.textContent = best.note;
    scene.said.style.left = `${clamp(best.x + 10, 0, box.width - 150)}px`;
    scene.said.style.top = `${scene.canvas.offsetTop + clamp(best.y + 10, 0, box.height - 30)}px`;
  }

  ask() {
    if (!this.pending) this.pending = requestAnimationFrame((now) => this.draw(now));
  }

  draw(now) {
    this.pending = 0;
    if (!this.root.isConnected || !this.scenes.length) return;
    if (this.spinning) {
      const { turn, tilt, zoom } = this.camera;
      cameras.set(this.view, { turn: turn + (SPIN * Math.min(now - this.last, 100)) / 1000, tilt, zoom });
      this.last = now;
      this.ask();
    }
    const style = getComputedStyle(this.root);
    const theme = { text: style.color, ground: style.getPropertyValue("--st-background-color"), primary: style.getPropertyValue("--st-primary-color"), font: style.fontFamily, em: parseFloat(style.fontSize) };
    for (const scene of this.scenes) this.paint(scene, theme);
    this.keys.forEach(({ colour, symbol }, i) => {
      const context = this.legend.children[i].firstChild.getContext("2d");
      context.clearRect(0, 0, 32, 32);
      trace(context, symbol, 16, 16, 10);
      context.fillStyle = colour;
      context.fill();
      context.strokeStyle = theme.text;
      context.globalAlpha = 0.7;
      context.lineWidth = 1.5;
      context.stroke();
      context.globalAlpha = 1;
    });
    const { turn, tilt, zoom } = this.camera;
    this.root.dataset.camera = JSON.stringify([turn, tilt, zoom]);
  }

  paint(scene, theme) {
    const { canvas, data } = scene;
    const width = canvas.clientWidth;
    const height = Math.min(this.height, Math.max(260, width * 0.9));
    const dense = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
    }
    const context = canvas.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    const { turn, tilt, zoom } = this.camera;
    const [ct, st, cl, sl] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const half = 0.92 * Math.min(width, height) / 2;
    // Seen from the side: the third axis points up. depth: 1 nearest, -1 farthest.
    const project = (points, i) => {
      const [a, b, c] = [points[3 * i] / data.radius, points[3 * i + 1] / data.radius, points[3 * i + 2] / data.radius];
      const across = ct * b - st * a;
      const away = ct * a + st * b;
      const depth = cl * away + sl * c;
      const up = cl * c - sl * away;
      const scale = (LENS / (FAR - depth)) * half * zoom;
      return { x: width / 2 + across * scale, y: height / 2 - up * scale, depth, scale: LENS / (FAR - depth) };
    };
    if (data.sphere) {
      const r = data.sphere / data.radius;
      context.beginPath(); // the outline of a sphere in perspective
      context.arc(width / 2, height / 2, (LENS * r * half * zoom) / Math.sqrt(FAR * FAR - r * r), 0, 2 * Math.PI);
      context.strokeStyle = theme.text;
      context.globalAlpha = 0.3;
      context.lineWidth = 1;
      context.stroke();
      context.globalAlpha = 1;
    }
    const origin = project([0, 0, 0], 0);
    context.fillStyle = theme.text;
    context.globalAlpha = 0.6;
    context.fillRect(origin.x - 1.5, origin.y - 1.5, 3, 3);
    context.globalAlpha = 1;
    const items = [];
    const written = [];
    for (const { starts, ends, strong, labels } of data.lines) {
      for (let i = 0; i < starts.length / 3; i++) {
        const [from, to] = [project(starts, i), project(ends, i)];
        items.push({ depth: (from.depth + to.depth) / 2 - 0.02, from, to, strong });
        if (labels[i]) written.push({ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2, text: labels[i], strong: true });
      }
    }
    scene.drawn = [];
    for (const { name, points, colour, symbol, size, solid, labels, notes } of data.clouds) {
      for (let i = 0; i < points.length / 3; i++) {
        const at = project(points, i);
        const item = { ...at, colour, symbol, size, solid, note: notes[i] ?? name };
        items.push(item);
        scene.drawn.push(item);
        if (labels[i]) written.push({ x: at.x + size * 1.3 + 3, y: at.y - size, text: labels[i] });
      }
    }
    items.sort((a, b) => a.depth - b.depth);
    for (const item of items) {
      const near = clamp(0.5 + item.depth / 2, 0, 1);
      if (item.from) {
        context.beginPath();
        context.moveTo(item.from.x, item.from.y);
        context.lineTo(item.to.x, item.to.y);
        context.strokeStyle = item.strong ? theme.primary : theme.text;
        context.globalAlpha = item.strong ? 1 : 0.16 + 0.3 * near;
        context.lineWidth = item.strong ? 3 : 1;
        context.stroke();
      } else {
        trace(context, item.symbol, item.x, item.y, item.size * item.scale * 1.25);
        context.globalAlpha = item.solid ? 1 : 0.45 + 0.4 * near;
        context.fillStyle = item.colour;
        context.fill();
        context.globalAlpha = item.solid ? 0.9 : 0.3;
        context.strokeStyle = theme.text;
        context.lineWidth = item.solid ? 1.4 : 0.6;
        context.stroke();
      }
    }
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
    canvas.dataset.points = String(scene.drawn.length);
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".orbit");
  let orbit = orbits.get(parentElement);
  if (orbit?.root !== root) {
    orbit?.dispose();
    orbit = new Orbit(root);
    orbits.set(parentElement, orbit);
  }
  orbit.adopt(data);
  return () => {
    orbit.dispose();
    orbits.delete(parentElement);
  };
}
