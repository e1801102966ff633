// @ts-check
// Lines on a grid of 24 by 24.

export const ICONS = {
  minus: "M5 12h14",
  plus: "M5 12h14M12 5v14",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  back: "M15 5l-7 7 7 7",
  on: "M9 5l7 7-7 7",
};

/**
 * An element of SVG.
 * @param {"svg" | "path"} tag
 * @param {Record<string, string | number>} attributes
 */
export function vector(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** @param {string} path */
export function icon(path) {
  const svg = vector("svg", { viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" });
  const line = { fill: "none", stroke: "currentColor", "stroke-linecap": "round", "stroke-linejoin": "round" };
  svg.append(vector("path", { d: path, "stroke-width": 2, ...line }));
  return svg;
}
