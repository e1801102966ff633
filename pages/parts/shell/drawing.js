// What the components that draw for themselves share; `component` puts it before each one's own script.

/** An element with attributes, handlers ("onclick") and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const button = (text, title, onclick) => make("button", { type: "button", title, "aria-label": title, onclick }, text);

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** A wheel alone scrolls the page; with Ctrl, or as two fingers on a touchpad, it enlarges by a factor. */
function enlargeByWheel(canvas, zoom) {
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300));
  }, { passive: false });
}

/** Call `draw` whenever the size of `root` or the page's colours change; returns what ends it. */
function watch(root, draw) {
  const sizes = new ResizeObserver(draw);
  sizes.observe(root);
  const themes = new MutationObserver(draw);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["style", "class", "data-theme"] });
  return () => {
    sizes.disconnect();
    themes.disconnect();
  };
}

/** Outline of a class's marker with "radius" r about (x, y). */
function trace(context, symbol, x, y, r) {
  const polygon = (n, turn, inner) => {
    const corners = inner ? 2 * n : n;
    for (let i = 0; i < corners; i++) {
      const angle = turn + (2 * Math.PI * i) / corners;
      const far = inner && i % 2 ? r * inner : r;
      context[i ? "lineTo" : "moveTo"](x + far * Math.sin(angle), y - far * Math.cos(angle));
    }
    context.closePath();
  };
  const cross = (turn) => {
    const t = r / 3;
    const steps = [[-t, -r], [t, -r], [t, -t], [r, -t], [r, t], [t, t], [t, r], [-t, r], [-t, t], [-r, t], [-r, -t], [-t, -t]];
    steps.forEach(([u, v], i) => {
      const [c, s] = [Math.cos(turn), Math.sin(turn)];
      context[i ? "lineTo" : "moveTo"](x + c * u - s * v, y + s * u + c * v);
    });
    context.closePath();
  };
  context.beginPath();
  if (symbol === "square") context.rect(x - 0.86 * r, y - 0.86 * r, 1.72 * r, 1.72 * r);
  else if (symbol === "diamond") polygon(4, 0);
  else if (symbol === "cross") cross(0);
  else if (symbol === "x") cross(Math.PI / 4);
  else if (symbol === "triangle-up") polygon(3, 0);
  else if (symbol === "triangle-down") polygon(3, Math.PI);
  else if (symbol === "star") polygon(5, 0, 0.45);
  else if (symbol === "pentagon") polygon(5, 0);
  else if (symbol === "hexagon") polygon(6, 0);
  else context.arc(x, y, r, 0, 2 * Math.PI);
}
