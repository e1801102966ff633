// @ts-check
import { array, Drawing, superfluous } from "../../../pages/parts/components/arrays.js";
import carry from "../../../pages/parts/components/carrier/carrier.js";
import { inbox } from "../../../pages/parts/components/inbox.js";
import { make } from "../../../pages/parts/shell/drawing.js";
import { equal, test, throws } from "./check.js";

/**
 * A parcel of levels, as packing.py makes them.
 * @param {string} id
 * @param {...number} levels
 */
async function parcel(id, ...levels) {
  const header = new TextEncoder().encode(JSON.stringify({ id, kind: "u8", shape: [levels.length, 1], steps: [] }));
  const stream = new Blob([Uint8Array.from(levels)]).stream().pipeThrough(new CompressionStream("deflate"));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, header.length, true);
  return new Uint8Array(await new Blob([length, header, await new Response(stream).arrayBuffer()]).arrayBuffer());
}

const decoded = () => new Promise((done) => addEventListener("smoothscope.array", done, { once: true }));

/** @extends {Drawing<{ arrays: string[], note: string }>} */
class Seen extends Drawing {
  /** @type {string[]} */
  shown = [];

  /**
   * @override
   * @param {{ arrays: string[], note: string }} data
   */
  show({ arrays, note }) {
    this.shown.push(`${note}: ${arrays.map((name) => Math.round(255 * array(name).values[0]))}`);
  }
}

test("what is shown waits for all its arrays, and is the newest", async () => {
  const drawing = new Seen(make("div"));
  drawing.adopt({ arrays: [], note: "nothing" }, () => {});
  drawing.adopt({ arrays: ["one", "two"], note: "old" }, () => {});
  drawing.adopt({ arrays: ["one", "two"], note: "new" }, () => {});
  const [first, second] = [await parcel("one", 1), await parcel("two", 2)];
  const one = decoded();
  carry({ data: first, parentElement: make("div") });
  await one;
  equal(drawing.shown, ["nothing: "]);
  const two = decoded();
  carry({ data: second, parentElement: make("div") });
  await two;
  equal(drawing.shown, ["nothing: ", "new: 1,2"]);
  drawing.adopt({ arrays: ["two"], note: "at once" }, () => {});
  equal(drawing.shown.at(-1), "at once: 2");
});

test("what has been disposed of shows nothing more", async () => {
  const drawing = new Seen(make("div"));
  drawing.adopt({ arrays: ["late"], note: "never" }, () => {});
  drawing.dispose();
  const late = decoded();
  carry({ data: await parcel("late", 3), parentElement: make("div") });
  await late;
  equal(drawing.shown, []);
});

test("an array that has not come is an error", () => {
  throws(() => array("nobody"), "array nobody has not come");
});

test("a carrier that is gone holds nothing, one with newer data does", async () => {
  const [old, young] = [await parcel("old", 1), await parcel("young", 1)];
  const element = make("div");
  const ends = [old, young].map((data) => carry({ data, parentElement: element }));
  ends[0]();
  equal(inbox.get(element) === young, true);
  ends[1]();
  equal(inbox.has(element), false);
});

test("beyond the room the least recently used go, unless they are held", () => {
  const packed = (/** @type {number} */ size) => ({
    shape: [size],
    steps: [],
    values: new Float32Array(size),
    frames: new Int16Array(0),
  });
  const kept = new Map([
    ["a", packed(10)],
    ["b", packed(10)],
    ["c", packed(10)],
    ["d", packed(10)],
  ]);
  equal(superfluous(kept, new Set(), 160), []);
  equal(superfluous(kept, new Set(), 80), ["a", "b"]);
  equal(superfluous(kept, new Set(["a"]), 80), ["b"]);
  equal(superfluous(kept, new Set(), 0), ["a", "b", "c", "d"]);
});
