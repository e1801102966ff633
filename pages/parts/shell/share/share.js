// @ts-check
// Copies the page's address. Where the browser gives no clipboard (a page over plain http), it shows the address,
// selected, to be copied by hand.

import { mount } from "../mount.js";

const SHOWN = 8000; // milliseconds that it is said to be copied

class Share {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.absent = "";
    this.timer = 0;
    const [button, field, status] = [
      root.querySelector("button"),
      root.querySelector("input"),
      root.querySelector("span"),
    ];
    if (!button || !field || !status) throw new Error("share.html has no button, no field or no status");
    this.field = field;
    this.status = status;
    button.onclick = () => this.copy();
    field.onblur = () => {
      field.hidden = true;
      this.say("");
    };
  }

  /** @param {{ absent: string }} data */
  adopt({ absent }) {
    this.absent = absent;
  }

  dispose() {
    clearTimeout(this.timer);
  }

  async copy() {
    const { field } = this;
    field.hidden = true;
    try {
      await navigator.clipboard.writeText(window.location.href);
      this.say("Copied.");
      this.timer = window.setTimeout(() => this.say(""), SHOWN);
    } catch {
      field.value = window.location.href;
      field.hidden = false;
      field.focus();
      field.select();
      this.say("Copy it from here.");
    }
  }

  /** @param {string} text */
  say(text) {
    clearTimeout(this.timer);
    this.status.textContent = text && this.absent ? `${text} ${this.absent}` : text;
  }
}

export default mount(".share", (root) => new Share(root));
