// @ts-check
// What a lesson's stop asks about is brought into the window, below the lesson's strip, which stays at its top. It may
// come late, and be moved by what comes above it; whoever uses the page meanwhile has the window to themselves.

/** @typedef {[from: number, to: number]} Span CSS pixels of the window, downwards */
/** @typedef {{ stop: string, words: string }} Wish words: where it begins on the page; "" is the page's own beginning */

const OFTEN = 150; // milliseconds between two looks
const LOOKS = 40;
const SPARE = 10; // CSS pixels between what is brought and what is around it
const WHOLE = 'figure, table, [data-testid="stPlotlyChart"], [data-testid="stTable"]';
const PART = '[data-testid="stElementContainer"]';
const USED = ["wheel", "touchstart", "pointerdown", "keydown"];

/**
 * How far to scroll down so that something is seen whole, or from its top where there is not room for all of it.
 * @param {Span} there where it is now
 * @param {Span} room where it is seen
 */
export function shift([top, bottom], [from, to]) {
  if (top < from || bottom - top > to - from) return top - from;
  return Math.max(bottom - to, 0);
}

/**
 * Where that is what some words name: a picture with its title and what is below it, a chart, a paragraph; a heading
 * begins all that is below it.
 * @param {Element} element that says them
 * @returns {Span}
 */
export function extent(element) {
  const root = element.getRootNode();
  const heading = element.closest("h1, h2, h3, h4, h5, h6");
  const whole = element.closest(WHOLE) ?? (root instanceof ShadowRoot ? root.host : (heading ?? element.closest(PART)));
  const { top, bottom } = (whole ?? element).getBoundingClientRect();
  return [top, whole !== null && whole === heading ? Infinity : bottom];
}

/**
 * All that is written in a part of the page, in its order, what components draw for themselves included.
 * @param {Node} root
 * @returns {Generator<Text>}
 */
function* written(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node instanceof Text) yield node;
    else if (node instanceof Element && node.shadowRoot) yield* written(node.shadowRoot);
  }
}

/**
 * What says exactly `words`, or else what begins with them; the first that is there to be seen.
 * @param {Node} root
 * @param {string} words
 */
export function saying(root, words) {
  /** @type {Element | undefined} */
  let beginning;
  for (const text of written(root)) {
    const said = text.data.trim();
    const element = text.parentElement;
    if (!element || !said.startsWith(words) || !element.checkVisibility() || element.closest(".st-key-lesson"))
      continue;
    if (said === words) return element;
    beginning ??= element;
  }
  return beginning;
}

export class Bringing {
  constructor() {
    this.stop = "";
    this.pending = 0;
    this.end = () => {
      clearInterval(this.pending);
      for (const kind of USED) removeEventListener(kind, this.end, true);
    };
  }

  /**
   * Once for each stop that is opened.
   * @param {Wish | null} wish
   */
  adopt(wish) {
    const { stop, words } = wish ?? { stop: "", words: "" };
    if (stop === this.stop) return;
    this.stop = stop;
    this.end();
    if (!stop) return;
    if (!words) {
      document.querySelector(".stMain")?.scrollTo(0, 0);
      return;
    }
    let looks = 0;
    this.pending = setInterval(() => {
      if (++looks === LOOKS) this.end();
      this.bring(words);
    }, OFTEN);
    for (const kind of USED) addEventListener(kind, this.end, { capture: true, passive: true });
  }

  /** @param {string} words */
  bring(words) {
    const main = document.querySelector(".stMain");
    const strip = document.querySelector(".st-key-lesson");
    const found = main && saying(main, words);
    if (!main || !found || !strip?.parentElement) return;
    if (getComputedStyle(strip.parentElement).position !== "sticky") return; // it would leave the window
    main.scrollTop += shift(extent(found), [strip.getBoundingClientRect().height + SPARE, innerHeight - SPARE]);
  }
}
