// @ts-check
// The script that draws charts is far larger than all others together, and the first page with a chart would wait for
// it: it is fetched and compiled while somebody reads a page without one.

const SOON = 300; // milliseconds after all else of a page has come

/**
 * Where a script of Streamlit's lies, by where another of its scripts does; undefined where none is known.
 * @param {string} name
 * @param {string | undefined} other
 */
export function beside(name, other) {
  return other?.includes("/static/js/") ? new URL(name, other).href : undefined;
}

/**
 * Whether who looks has asked for little to be sent.
 * @param {{ connection?: { saveData?: boolean } }} navigator
 */
export function sparing({ connection }) {
  return connection?.saveData === true;
}

/**
 * Have a script of Streamlit's here before a page asks for it; once, however often it is wished for.
 * @param {string} name
 */
export function fetchAhead(name) {
  const other = document.querySelector('script[type="module"][src*="/static/js/"]');
  const href = other instanceof HTMLScriptElement ? beside(name, other.src) : undefined;
  const here = /** @type {Navigator & { connection?: { saveData?: boolean } }} */ (navigator); // not in every browser
  if (!name || !href || sparing(here) || document.querySelector(`link[href="${href}"]`)) return;
  const link = Object.assign(document.createElement("link"), { rel: "modulepreload", href, crossOrigin: "anonymous" });
  link.setAttribute("fetchpriority", "low");
  setTimeout(() => document.head.append(link), SOON);
}
