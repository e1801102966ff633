// @ts-check
import { averaged, canvasOf, enlarged, level, rint, shaded } from "../../../pages/parts/components/levels.js";
import { equal, test } from "./check.js";

test("halves are rounded to the even number", () => {
  equal([0.5, 1.5, 2.5, 126.5, 127.5, 2.4999, 2.5001].map(rint), [0, 2, 2, 126, 128, 2, 3]);
});

test("levels of a picture, and of values about zero", () => {
  equal(
    [0, 1, 128 / 255, -3, 7].map((value) => level(value, null)),
    [0, 255, 128, 0, 255],
  );
  equal(
    [-1, -0.5, -0.25, 0, 0.25, 0.5].map((value) => level(value, 1)),
    [0, 0, 64, 128, 191, 255],
  );
});

test("one channel is grey, three are colours, all opaque", () => {
  equal(shaded(Float32Array.of(0, 1), 2, null).rgba, [0, 0, 0, 255, 255, 255, 255, 255]);
  equal(shaded(Float32Array.of(0, 1, 1, 0, 1, 1), 2, null).rgba, [0, 255, 255, 255, 255, 0, 255, 255]);
});

test("what is beyond the span is counted", () => {
  equal(shaded(Float32Array.of(-0.5, 0.5, 0.51, -2), 4, 1).clipped, 0.5);
  equal(shaded(Float32Array.of(-9, 9), 2, null).clipped, 0); // a picture has no span
});

test("averages at the edge are of the pixels that there are", () => {
  const grey = (/** @type {number[]} */ values) => Uint8ClampedArray.from(values.flatMap((v) => [v, v, 2 * v, 255]));
  const small = averaged(grey([10, 20, 30, 40, 50, 60]), 3, 2, 2);
  equal([small.width, small.height], [2, 1]);
  equal(small.rgba, [30, 30, 60, 255, 45, 45, 90, 255]);
  equal(averaged(grey([10, 20, 30, 41]), 2, 2, 2).rgba, [25, 25, 51, 255]); // 25.25 and 50.5
  const two = averaged(grey([10, 40, 70]), 3, 1, 1.5); // a pixel and half of the next
  equal([two.width, two.height, two.rgba[0], two.rgba[4]], [2, 1, 20, 60]);
});

test("a picture is enlarged by nearest neighbour, whatever the factor", () => {
  const grey = (/** @type {number[]} */ values) => Uint8ClampedArray.from(values.flatMap((v) => [v, v, v, 255]));
  const large = enlarged(grey([10, 20, 30, 40]), 2, 2, 3, 5); // the middle column and row lie between two pixels
  equal([large.width, large.height], [3, 5]);
  equal(
    Array.from({ length: 15 }, (_, i) => large.rgba[4 * i]),
    [10, 20, 20, 10, 20, 20, 30, 40, 40, 30, 40, 40, 30, 40, 40],
  );
});

test("a canvas holds the pixels it was given", () => {
  const rgba = Uint8ClampedArray.of(1, 2, 3, 255, 250, 128, 0, 255);
  const canvas = canvasOf(rgba, 2, 1);
  equal(canvas.getContext("2d")?.getImageData(0, 0, 2, 1).data, rgba);
  equal(canvasOf(rgba, 1, 2, canvas) === canvas, true);
  equal([canvas.width, canvas.height], [1, 2]);
});
