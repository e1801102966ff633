// @ts-check
import {
  decode,
  fromDifferences,
  fromLevels,
  fromPlanes,
  inflate,
  open,
} from "../../../pages/parts/components/packing.js";
import { equal, test } from "./check.js";

test("levels add up along a row, and each row begins anew", () => {
  const levels = Array.from(fromLevels(Uint8Array.of(250, 10, 251, 3, 255, 1), 3), (value) => Math.round(255 * value));
  equal(levels, [250, 4, 255, 3, 2, 3]);
  equal(fromLevels(Uint8Array.of(128), 1), Float32Array.of(128 / 255));
});

test("planes join to float32", () => {
  const values = Float32Array.of(1, -2.5, 3e-41, NaN);
  const bytes = new Uint8Array(values.buffer);
  const planes = [0, 1, 2, 3].flatMap((b) => Array.from({ length: 4 }, (_, i) => bytes[4 * i + b]));
  equal(fromPlanes(Uint8Array.from(planes)), values);
});

test("differences add up over frames and wrap round", () => {
  // Two frames of two numbers: 32767 and -1, then 32767 + 2 = -32767 and -1 - 32767 = -32768; zigzag of -1 is 1.
  const coded = [65534, 1, 4, 65533];
  const bytes = Uint8Array.from([...coded.map((c) => c & 255), ...coded.map((c) => c >> 8)]);
  equal(fromDifferences(bytes, 2), Int16Array.of(32767, -1, -32767, -32768));
});

test("one frame has values, several have frames", () => {
  const header = { id: "a", kind: /** @type {const} */ ("i16") };
  const bytes = Uint8Array.of(6, 3, 0, 0);
  equal(decode({ ...header, shape: [1, 2], steps: [0.5] }, bytes).values, [1.5, -1]);
  const film = decode({ ...header, shape: [2, 1], steps: [0.5, 2] }, bytes);
  equal([film.values, film.frames, film.steps], [[], [3, 1], [0.5, 2]]);
});

test("an empty array is empty", () => {
  equal(decode({ id: "", kind: "u8", shape: [2, 0], steps: [] }, new Uint8Array(0)).values, []);
});

test("a parcel is opened wherever it lies in memory", async () => {
  const header = new TextEncoder().encode(JSON.stringify({ id: "é", kind: "u8", shape: [1], steps: [] }));
  const stream = new Blob([Uint8Array.of(7)]).stream().pipeThrough(new CompressionStream("deflate"));
  const body = new Uint8Array(await new Response(stream).arrayBuffer());
  const memory = new Uint8Array(5 + 4 + header.length + body.length);
  new DataView(memory.buffer).setUint32(5, header.length, true);
  memory.set(header, 9);
  memory.set(body, 9 + header.length);
  const opened = open(memory.subarray(5));
  equal(opened.header.id, "é");
  equal(await inflate(opened.body), [7]);
});
