// @ts-check
// What a page does for those who do not look at it, or cannot see all of it: its results are said by a region that is
// there before they are, its widgets are named in words, and on a phone the row of pages, and a row of tabs, begins
// where one is. And one step of the browser's Back button leads from a page to the one before. Of a lesson's stop it
// brings into the window what is asked about. The script that draws charts is fetched before a page has one.

import { mount } from "../mount.js";
import { fetchAhead } from "./ahead.js";
import { Bringing } from "./bring.js";
import { spoken } from "./names.js";
import { straighten } from "./steps.js";

/** @import { Wish } from "./bring.js" */

const WRITTEN = '[aria-label*="$"]';

straighten(history, location);

/**
 * Move a row that is wider than its place so that one of it is in the middle.
 * @param {Element} row
 * @param {Element} one
 */
function turn(row, one) {
  const [frame, there] = [row.getBoundingClientRect(), one.getBoundingClientRect()];
  row.scrollLeft += there.left + there.width / 2 - (frame.left + frame.width / 2);
}

class Frame {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.pending = 0;
    this.bringing = new Bringing();
    /** @type {WeakSet<Element>} rows of tabs that were turned to the one that is open */
    this.turned = new WeakSet();
    this.watching = new MutationObserver(() => {
      if (!this.pending) this.pending = requestAnimationFrame(() => this.name());
    });
    const names = { attributes: true, attributeFilter: ["aria-label"] };
    this.watching.observe(document.body, { childList: true, subtree: true, ...names });
    this.name();
    this.turn();
  }

  /** @param {{ said: string, bring: Wish | null, ahead: string }} data */
  adopt({ said, bring, ahead }) {
    fetchAhead(ahead);
    if (this.root.textContent !== said) this.root.textContent = said;
    this.bringing.adopt(bring);
  }

  dispose() {
    this.watching.disconnect();
    this.bringing.end();
    cancelAnimationFrame(this.pending);
  }

  /** Name what is named by markup; a formula that is wider than its place can be moved by keys; tabs begin where one is. */
  name() {
    this.pending = 0;
    for (const formula of document.querySelectorAll(".katex-display")) {
      if (formula instanceof HTMLElement && formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    }
    for (const row of document.querySelectorAll('[role="tablist"]')) {
      const open = row.querySelector('[aria-selected="true"]');
      if (!open || this.turned.has(row)) continue;
      this.turned.add(row);
      turn(row, open);
    }
    for (const element of document.querySelectorAll(WRITTEN)) {
      element.setAttribute("aria-label", spoken(element.getAttribute("aria-label") ?? ""));
    }
  }

  /** Where the pages stand in one row that is wider than the window: to the link of this page. */
  turn() {
    const row = document.querySelector(".st-key-navigation");
    const links = [...(row?.querySelectorAll("a") ?? [])];
    const here = links.findLast(({ href }) => new URL(href).pathname === location.pathname); // the start page's is ""
    if (row && here) turn(row, here);
  }
}

export default mount(".frame", (root) => new Frame(root));
