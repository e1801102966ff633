// @ts-check
import { along, down, nearest, path, range } from "../../../pages/parts/components/viewer/curves.js";
import { close, equal, test } from "./check.js";

test("the first step is on the left, the last on the right, an only one in the middle", () => {
  equal([along(1, 5), along(2, 5), along(5, 5), along(1, 1)], [0, 0.25, 1, 0.5]);
});

test("the range is that of what is finite", () => {
  equal(range(Float32Array.of(3, NaN, -1, Infinity, 2), false), [-1, 3]);
  equal(range(Float32Array.of(3, 2), true), [0, 3]);
  equal(range(Float32Array.of(-3, -2), true), [-3, 0]);
  equal(range(Float32Array.of(2, 2), false), [1, 3]);
  equal(range(Float32Array.of(NaN), true), [-1, 1]);
});

test("high values are high on the plot", () => {
  close([down(3, [-1, 3]), down(-1, [-1, 3]), down(1, [-1, 3])], [3, 97, 50]);
});

test("a line leaves out what is not finite", () => {
  equal(path(Float32Array.of(0, NaN, 1), [0, 1]), "M0.00 97.00L100.00 3.00");
  equal(path(Float32Array.of(NaN, 0.5), [0, 1]), "M100.00 50.00");
  equal(path(new Float32Array(0), [0, 1]), "");
});

test("the nearest kept step, the earlier of two", () => {
  equal(
    [1, 3, 4, 6, 7, 99].map((step) => nearest([1, 5, 9], step)),
    [0, 0, 1, 1, 1, 2],
  );
});
