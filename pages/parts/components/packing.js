// @ts-check
// Undoes packing.py: parcels become arrays again, exactly.

/**
 * @typedef {object} Packed an array as it arrived
 * @property {number[]} shape
 * @property {Float32Array} values empty where there are several frames
 * @property {Int16Array} frames of kind i16: whole numbers of each frame's step; else empty
 * @property {number[]} steps of kind i16: the frames' steps; else empty
 */

/**
 * @typedef {object} Header
 * @property {string} id
 * @property {"u8" | "i16" | "f32"} kind
 * @property {number[]} shape
 * @property {number[]} steps
 */

/**
 * The header of a parcel, and what follows it, still deflated.
 * @param {Uint8Array} parcel
 * @returns {{ header: Header, body: Uint8Array<ArrayBuffer> }}
 */
export function open(parcel) {
  const length = new DataView(parcel.buffer, parcel.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(parcel.subarray(4, 4 + length)));
  return { header, body: new Uint8Array(parcel.subarray(4 + length)) };
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Levels k of k/255, each less its left neighbour.
 * @param {Uint8Array} bytes
 * @param {number} width
 */
export function fromLevels(bytes, width) {
  const values = new Float32Array(bytes.length);
  for (let i = 0, level = 0; i < bytes.length; i++) {
    level = i % width ? (level + bytes[i]) & 255 : bytes[i];
    values[i] = level / 255;
  }
  return values;
}

/**
 * Float32, all first bytes before all second bytes and so on.
 * @param {Uint8Array} bytes
 */
export function fromPlanes(bytes) {
  const size = bytes.length / 4;
  const joined = new Uint8Array(4 * size);
  for (let i = 0; i < size; i++) for (let b = 0; b < 4; b++) joined[4 * i + b] = bytes[b * size + i];
  return new Float32Array(joined.buffer);
}

/**
 * Whole numbers, each less that of the frame before (wrapping round), zigzag coded, low bytes before high bytes.
 * @param {Uint8Array} bytes
 * @param {number} one values of a frame
 */
export function fromDifferences(bytes, one) {
  const size = bytes.length / 2;
  const frames = new Int16Array(size);
  for (let i = 0; i < size; i++) {
    const coded = bytes[i] | (bytes[size + i] << 8);
    frames[i] = ((coded >> 1) ^ -(coded & 1)) + (i < one ? 0 : frames[i - one]);
  }
  return frames;
}

/**
 * @param {Header} header
 * @param {Uint8Array} bytes inflated
 * @returns {Packed}
 */
export function decode({ kind, shape, steps }, bytes) {
  const none = new Float32Array(0);
  const [first, last] = [shape[0], shape[shape.length - 1]];
  if (kind === "u8") return { shape, values: fromLevels(bytes, last), frames: new Int16Array(0), steps: [] };
  if (kind === "f32") return { shape, values: fromPlanes(bytes), frames: new Int16Array(0), steps: [] };
  const frames = fromDifferences(bytes, bytes.length / 2 / first);
  return { shape, steps, frames, values: first > 1 ? none : Float32Array.from(frames, (number) => number * steps[0]) };
}
