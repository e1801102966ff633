// @ts-check
// Copies the page's address, or a text that has it. Where the browser gives no clipboard (a page over plain http), it
// shows what is to be copied, selected.

import { mount } from "../mount.js";

const SHOWN = 8000; // milliseconds that it is said to be copied
const UNTOLD = ["lesson", "stop", "present"]; // what a stop of a lesson does not say itself

class Share {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.absent = "";
    this.text = "";
    this.timer = 0;
    const [button, name, field, status] = [
      root.querySelector("button"),
      root.querySelector("b"),
      root.querySelector("textarea"),
      root.querySelector("span"),
    ];
    if (!button || !name || !field || !status) throw new Error("share.html has no button, no name, field or status");
    this.button = button;
    this.name = name;
    this.field = field;
    this.status = status;
    button.onclick = () => this.copy();
    field.onblur = () => {
      field.hidden = true;
      this.say("");
    };
  }

  /** @param {{ label: string, absent: string, text: string }} data */
  adopt({ label, absent, text }) {
    this.absent = absent;
    this.text = text;
    this.button.title = label;
    this.name.textContent = label;
    this.field.ariaLabel = text ? "A stop that leads to this page" : "Link to this page";
    this.field.rows = text ? 10 : 1;
    this.root.classList.toggle("brief", !text);
  }

  dispose() {
    clearTimeout(this.timer);
  }

  /** What is copied: the address, or the text with what the address sets on this page. */
  copied() {
    if (!this.text) return window.location.href;
    const query = new URLSearchParams(window.location.search);
    for (const name of UNTOLD) query.delete(name);
    const told = query.toString(); // it leaves no bracket as it is, which would end the link
    return this.text.replace("{query}", told && `?${told}`);
  }

  async copy() {
    const { field } = this;
    field.hidden = true;
    try {
      await navigator.clipboard.writeText(this.copied());
      this.say("Copied.");
      this.timer = window.setTimeout(() => this.say(""), SHOWN);
    } catch {
      field.value = this.copied();
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
