// @ts-check
// One step of the browser's Back button leads from a page to the one before. Where a click opens another page by a link,
// Streamlit writes that link's settings to the address of the page that is left first, and then goes: the step between
// is a page that nobody has seen, and Back would end there.

const SOON = 5000; // milliseconds between the two
const DONE = Symbol.for("smoothscope.steps");

/**
 * Let a window's history leave such steps out, once for all scripts of the window.
 * @param {History} history
 * @param {{ pathname: string, search: string }} here where the window is
 */
export function straighten(history, here) {
  /** @type {Record<symbol, unknown>} */
  const marked = /** @type {any} */ (history);
  if (marked[DONE]) return;
  marked[DONE] = true;
  const push = history.pushState.bind(history);
  let written = -SOON; // when the address of the page that one is on was
  history.pushState = (data, unused, url) => {
    const { pathname, search } = new URL(url ?? "", document.baseURI);
    const stays = pathname === here.pathname;
    const between = !stays && search !== "" && search === here.search && performance.now() - written < SOON;
    if (between) history.replaceState(data, unused, url);
    else push(data, unused, url);
    written = stays ? performance.now() : -SOON;
  };
}
