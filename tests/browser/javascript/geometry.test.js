// @ts-check
import { beside, box, clamp, inside, nearest } from "../../../pages/parts/shell/geometry.js";
import { close, equal, test } from "./check.js";

/** @import { Point } from "../../../pages/parts/shell/geometry.js" */

test("clamp leaves what is between and takes the nearer end", () => {
  equal([clamp(2, 1, 3), clamp(0, 1, 3), clamp(9, 1, 3)], [2, 1, 3]);
});

test("the distance from a line is that from its foot, or from the nearer end", () => {
  equal(beside([0, 0], [10, 0], [4, 3]), 3);
  equal(beside([0, 0], [10, 0], [13, 4]), 5);
  equal(beside([0, 0], [10, 0], [-3, -4]), 5);
  close(beside([1, 1], [4, 5], [2, 3]), Math.abs(4 * 1 - 3 * 2) / 5); // cross product over length
  equal(beside([2, 2], [2, 2], [5, 6]), 5); // both ends in one point
});

test("inside an outline with a notch is not in the notch", () => {
  /** @type {Point[]} */
  const notched = [
    [0, 0],
    [6, 0],
    [6, 6],
    [4, 6],
    [4, 2],
    [2, 2],
    [2, 6],
    [0, 6],
  ];
  equal([inside(notched, [1, 5]), inside(notched, [5, 5]), inside(notched, [3, 1])], [true, true, true]);
  equal([inside(notched, [3, 4]), inside(notched, [3, 7]), inside(notched, [-1, 1])], [false, false, false]);
  equal(inside([...notched].reverse(), [3, 4]), false); // whichever way round
  equal(inside([...notched].reverse(), [1, 5]), true);
});

test("a ray through a corner counts it once", () => {
  /** @type {Point[]} */
  const diamond = [
    [0, -2],
    [2, 0],
    [0, 2],
    [-2, 0],
  ];
  equal([inside(diamond, [0, 0]), inside(diamond, [-3, 0]), inside(diamond, [3, 0])], [true, false, false]);
});

test("an outline of fewer than three corners holds nothing", () => {
  equal(
    [
      inside([], [0, 0]),
      inside([[0, 0]], [0, 0]),
      inside(
        [
          [-1, 0],
          [1, 0],
        ],
        [0, 0],
      ),
    ],
    [false, false, false],
  );
});

test("a box has the same corners from whichever of them it is drawn", () => {
  const sorted = (/** @type {Point[]} */ corners) => corners.map(String).sort();
  equal(
    sorted(box([1, 2], [5, 7])),
    sorted([
      [1, 2],
      [5, 2],
      [5, 7],
      [1, 7],
    ]),
  );
  equal(sorted(box([5, 2], [1, 7])), sorted(box([1, 2], [5, 7])));
  equal(inside(box([5, 7], [1, 2]), [2, 3]), true);
});

test("the nearest point counts only within reach", () => {
  /** @type {Point[]} */
  const points = [
    [0, 0],
    [10, 0],
    [13, 4],
  ];
  equal([nearest(points, [11, 1], 5), nearest(points, [2, 2], 5), nearest(points, [5, 5], 5)], [1, 0, -1]);
  equal([nearest(points, [3, 4], 5), nearest([], [0, 0], 5)], [-1, -1]); // at 5 it is no longer within
});
