// @ts-check
// The arrays that carriers have brought, decoded once for all components of the window, and the base of those that
// draw them.

import { COME, inbox, shared } from "./inbox.js";
import { decode, inflate, open } from "./packing.js";

/** @import { Report } from "../shell/mount.js" */
/** @import { Packed } from "./packing.js" */

const ROOM = 256 << 20; // bytes of arrays kept that no carrier holds at the moment
const DECODED = "smoothscope.array"; // event: one more can be had

/** By name, the most recently used last. */
const arrays = shared("arrays", /** @type {Map<string, Packed>} */ (new Map()));
/** Names of those that are being decoded. */
const coming = shared("coming", /** @type {Set<string>} */ (new Set()));

/** @param {Uint8Array} parcel */
async function receive(parcel) {
  const { header, body } = open(parcel);
  const { id } = header;
  if (arrays.has(id) || coming.has(id)) return;
  coming.add(id);
  try {
    arrays.set(id, decode(header, await inflate(body)));
  } finally {
    coming.delete(id);
  }
  const held = new Set([...inbox.values()].map((each) => open(each).header.id));
  for (const name of superfluous(arrays, held, ROOM)) arrays.delete(name);
  dispatchEvent(new Event(DECODED));
}

/**
 * Names of the arrays, least recently used first, beyond so many bytes; none of those that are held.
 * @param {Map<string, Packed>} kept
 * @param {Set<string>} held
 * @param {number} room
 */
export function superfluous(kept, held, room) {
  const found = [];
  let total = 0;
  for (const [name, { values, frames }] of [...kept].reverse()) {
    total += values.byteLength + frames.byteLength;
    if (total > room && !held.has(name)) found.unshift(name);
  }
  return found;
}

/**
 * An array that is here.
 * @param {string} name
 */
export function array(name) {
  const found = arrays.get(name);
  if (!found) throw new Error(`array ${name} has not come`);
  arrays.delete(name);
  arrays.set(name, found);
  return found;
}

/** @type {Set<Drawing<any>>} */
const drawings = new Set();

/**
 * What draws into `root`: subclasses show data, which name their arrays, as soon as all of those are here; until then
 * what was shown stays.
 * @template {{ arrays: string[] }} Data
 */
export class Drawing {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Data | null} */
    this.next = null;
    /** @type {Report} */
    this.report = () => {};
    drawings.add(this);
  }

  /**
   * @param {Data} data
   * @param {Report} report
   */
  adopt(data, report) {
    this.report = report;
    this.next = data;
    this.arrived();
  }

  arrived() {
    const { next } = this;
    if (!next?.arrays.every((name) => arrays.has(name))) return;
    this.next = null;
    this.show(next);
  }

  /** @param {Data} _data all of whose arrays are here */
  show(_data) {
    throw new Error("a drawing must say how it shows its data");
  }

  dispose() {
    drawings.delete(this);
  }
}

addEventListener(COME, (event) => receive(/** @type {CustomEvent<Uint8Array>} */ (event).detail));
addEventListener(DECODED, () => {
  for (const drawing of drawings) drawing.arrived();
});
for (const parcel of inbox.values()) receive(parcel); // those that were here before this script
