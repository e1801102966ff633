// @ts-check
// What tests of modules are written with; test_javascript.py runs them in Chromium, each as a test of its own.

/** @type {Map<string, () => unknown>} */
const tests = new Map();

/**
 * `test("...", () => ...)` at the beginning of a line: that is how test_javascript.py finds its name.
 * @param {string} name
 * @param {() => unknown} body fails by throwing, or by a promise that is rejected
 */
export function test(name, body) {
  if (tests.has(name)) throw new Error(`two tests are called ${name}`);
  tests.set(name, body);
}

/**
 * Name of every test -> what was wrong, or null.
 * @returns {Promise<Record<string, string | null>>}
 */
export async function outcomes() {
  /** @type {Record<string, string | null>} */
  const found = {};
  for (const [name, body] of tests) {
    try {
      await body();
      found[name] = null;
    } catch (error) {
      found[name] = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }
  return found;
}

/** Typed arrays as arrays, so that both can be written down. @param {unknown} value */
const plain = (value) =>
  JSON.stringify(value, (_, part) => {
    if (ArrayBuffer.isView(part) && !(part instanceof DataView)) return Array.from(/** @type {any} */ (part), written);
    return written(part);
  });

/** @param {unknown} part */
function written(part) {
  if (typeof part === "number" && (!Number.isFinite(part) || Object.is(part, -0))) return `number ${String(part)}`;
  return part === undefined ? "undefined" : part;
}

/**
 * @param {unknown} found
 * @param {unknown} expected
 */
export function equal(found, expected) {
  const [one, other] = [plain(found), plain(expected)];
  if (one !== other) throw new Error(`found ${one}, expected ${other}`);
}

/**
 * Numbers, or arrays of as many.
 * @param {number | ArrayLike<number>} found
 * @param {number | ArrayLike<number>} expected
 * @param {number} within
 */
export function close(found, expected, within = 1e-9) {
  const [one, other] = [found, expected].map((each) => (typeof each === "number" ? [each] : Array.from(each)));
  const same = one.length === other.length && one.every((value, i) => Math.abs(value - other[i]) <= within);
  if (!same) throw new Error(`found ${plain(found)}, expected ${plain(expected)} within ${within}`);
}

/**
 * @param {() => unknown} body
 * @param {string} words of the error's message
 */
export function throws(body, words) {
  try {
    body();
  } catch (error) {
    if (error instanceof Error && error.message.includes(words)) return;
    throw new Error(`threw ${String(error)}, expected an error that says ${words}`);
  }
  throw new Error(`threw nothing, expected an error that says ${words}`);
}
