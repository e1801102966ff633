// @ts-check
// What the components that draw for themselves share: elements, markers, what makes them draw anew.

/** @typedef {string | number | boolean | null | undefined} Attribute */

/**
 * An element with attributes, handlers ("onclick") and children.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute | ((event: any) => unknown)>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * @param {string | Node} content
 * @param {string} title
 * @param {(event: MouseEvent) => unknown} onclick
 */
export const button = (content, title, onclick) =>
  make("button", { type: "button", title, "aria-label": title, onclick }, content);

/**
 * What to draw with on a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function brush(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("this browser draws on no canvas");
  return context;
}

/**
 * Where an event is, in CSS pixels from the corner of an element.
 * @param {Element} element
 * @param {MouseEvent} event
 * @returns {[x: number, y: number]}
 */
export function place(element, event) {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/**
 * A wheel alone scrolls the page; with Ctrl, or as two fingers on a touchpad, it enlarges by a factor.
 * @param {HTMLCanvasElement} canvas
 * @param {(factor: number) => void} zoom
 */
export function enlargeByWheel(canvas, zoom) {
  const turned = (/** @type {WheelEvent} */ event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300));
  };
  canvas.addEventListener("wheel", turned, { passive: false });
}

/**
 * Call `draw` whenever the size of `root` or the page's colours change; returns what ends it.
 * @param {Element} root
 * @param {() => void} draw
 */
export function watch(root, draw) {
  const sizes = new ResizeObserver(draw);
  sizes.observe(root);
  const themes = new MutationObserver(draw);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["style", "class", "data-theme"] });
  return () => {
    sizes.disconnect();
    themes.disconnect();
  };
}

/**
 * Give a canvas a size in CSS pixels, in the screen's own pixels, and have it drawn on in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = brush(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** @typedef {readonly (readonly [x: number, y: number])[]} Corners with "radius" 1 about the origin, y down */

/**
 * Of a regular polygon whose first corner is above; with `inner`, of a star whose other corners are that far out.
 * @param {number} n
 * @param {number} turn radians
 * @param {number} [inner]
 * @returns {Corners}
 */
function polygon(n, turn = 0, inner = 0) {
  const count = inner ? 2 * n : n;
  return Array.from({ length: count }, (_, i) => {
    const angle = turn + (2 * Math.PI * i) / count;
    const far = inner && i % 2 ? inner : 1;
    return [far * Math.sin(angle), -far * Math.cos(angle)];
  });
}

/**
 * Of an upright cross, its arms a third as wide as the whole.
 * @param {number} turn radians
 * @returns {Corners}
 */
function cross(turn) {
  const [c, s] = [Math.cos(turn), Math.sin(turn)];
  const [t, r] = [1 / 3, 1];
  const upper = [
    [-t, -r],
    [t, -r],
    [t, -t],
    [r, -t],
    [r, t],
    [t, t],
  ]; // the lower ones lie opposite
  return [...upper, ...upper.map(([u, v]) => [-u, -v])].map(([u, v]) => [c * u - s * v, s * u + c * v]);
}

/** @type {Record<string, Corners>} */
const MARKERS = {
  square: [
    [-0.86, -0.86],
    [0.86, -0.86],
    [0.86, 0.86],
    [-0.86, 0.86],
  ],
  diamond: polygon(4),
  cross: cross(0),
  x: cross(Math.PI / 4),
  "triangle-up": polygon(3),
  "triangle-down": polygon(3, Math.PI),
  star: polygon(5, 0, 0.45),
  pentagon: polygon(5),
  hexagon: polygon(6),
};

/**
 * A class's own among the colours or markers of classes, which come again when there are more classes than those.
 * @template Kind
 * @param {readonly Kind[]} kinds
 * @param {number} c counted from 0
 */
export const ofClass = (kinds, c) => kinds[c % kinds.length];

/**
 * Outline of a class's marker with "radius" r about (x, y); a circle where the symbol is no other.
 * @param {CanvasRenderingContext2D} context
 * @param {string} symbol
 * @param {number} x
 * @param {number} y
 * @param {number} r
 */
export function trace(context, symbol, x, y, r) {
  const corners = MARKERS[symbol];
  context.beginPath();
  if (corners) {
    corners.forEach(([u, v], i) => {
      context[i ? "lineTo" : "moveTo"](x + r * u, y + r * v);
    });
    context.closePath();
  } else context.arc(x, y, r, 0, 2 * Math.PI);
}
