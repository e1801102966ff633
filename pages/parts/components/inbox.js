// @ts-check
// Where carriers leave what they bring. It belongs to the window: every component has a script of its own.

/**
 * What all scripts of the window share under a name.
 * @template Value
 * @param {string} name
 * @param {Value} first what it is where no script has asked before
 * @returns {Value}
 */
export function shared(name, first) {
  /** @type {Record<symbol, any>} */
  const all = globalThis;
  const key = Symbol.for(`smoothscope.${name}`);
  all[key] ??= first;
  return all[key];
}

/** Element of a carrier on the page -> its parcel. */
export const inbox = shared("inbox", /** @type {Map<unknown, Uint8Array>} */ (new Map()));

/** Name of the event that something has come; its detail is the parcel. */
export const COME = "smoothscope.parcel";
