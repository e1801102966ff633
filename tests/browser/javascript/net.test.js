// @ts-check
import { dragged, drawn, edges, fitted, placed, strongest, vertex } from "../../../pages/parts/components/graph/net.js";
import { close, equal, test } from "./check.js";

/** @import { Point } from "../../../pages/parts/shell/geometry.js" */

const HOME = { x: 0, y: 0, zoom: 1 };
const EXTENT = [-2, 4, 1, 3]; // left, right, bottom, top

test("all of the extent fits, and its middle is in the middle", () => {
  equal([fitted(EXTENT, 600, 400), fitted(EXTENT, 600, 100)], [100, 50]);
  equal(placed([1, 2, -2, 1, 4, 3], EXTENT, HOME, 600, 400), [
    [300, 200],
    [0, 300],
    [600, 100],
  ]);
});

test("zoom is about the middle, and the camera's place comes there", () => {
  equal(placed([1, 2, 2, 3], EXTENT, { x: 1, y: 1, zoom: 2 }, 600, 400), [
    [100, 400],
    [300, 200],
  ]);
});

test("the plane goes with the pointer", () => {
  const camera = { x: 0.3, y: -0.2, zoom: 2.5 };
  const [before, after] = [camera, dragged(camera, 60, -25, 100)].map(
    (c) => placed([1.5, 2.5], EXTENT, c, 600, 400)[0],
  );
  close([after[0] - before[0], after[1] - before[1]], [60, -25]);
});

// Image 3 has edges as their first and as their second end. 0-1 and 2-3 cross at (5, 5), and so does 4-5.
/** @type {Point[]} */
const PLACES = [
  [0, 0],
  [10, 10],
  [0, 10],
  [10, 0],
  [5, -10],
  [5, 20],
];
const NET = edges([2, 0, 3, 0, 4, 3, 1, 5, 3, 5], [0.1, 0.2, 0.3, 0.8, 0.9], [1, 1, 1, 1, 1], [1, 1, 1, 1, 0]);

test("edges have both ends, weights in their order", () => {
  equal(
    NET.map(({ i, j, weight }) => [i, j, weight]),
    [
      [2, 3, 0.1],
      [0, 1, 0.2],
      [3, 5, 0.3],
      [0, 3, 0.8],
      [4, 5, 0.9],
    ],
  );
  equal(
    NET.map(({ punished }) => punished),
    [true, true, true, true, false],
  );
});

test("all edges are drawn, or all of a picked image, whichever end it is", () => {
  const shown = (/** @type {number} */ picked) => NET.filter((edge) => drawn(edge, picked)).map(({ weight }) => weight);
  equal(shown(-1), [0.1, 0.2, 0.3, 0.8, 0.9]);
  equal(shown(3), [0.1, 0.3, 0.8]);
  equal(shown(0), [0.2, 0.8]);
});

test("the tip is of the strongest punished edge that is drawn", () => {
  const at = (/** @type {number} */ picked, /** @type {Point} */ place) =>
    strongest(NET, PLACES, picked, place)?.weight;
  equal(at(-1, [5, 5]), 0.3); // 3-5 passes at less than 5 pixels, 4-5 is not punished
  equal(at(2, [5, 5]), 0.1);
  equal(at(1, [5, 5]), 0.2);
  equal([at(4, [5, 5]), at(-1, [100, 5])], [undefined, undefined]);
});

test("a pointer within 11 pixels is on an image", () => {
  equal([vertex(PLACES, [-7, 0]), vertex(PLACES, [-11, 0]), vertex(PLACES, [9, 9])], [0, -1, 1]);
});
