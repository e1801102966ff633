// @ts-check

import {
  borders,
  dragged,
  enclosed,
  fitted,
  moment,
  onScreen,
  positions,
  stamp,
  under,
  zoomed,
} from "../../../pages/parts/components/scatter/plane.js";
import { box } from "../../../pages/parts/shell/geometry.js";
import { close, equal, test } from "./check.js";

const SIZE = { width: 400, height: 200 };
const VIEW = { x: 1, y: 2, scale: 50 };

test("all of a part of the plane is seen, its middle in the middle", () => {
  equal(fitted([-1, 3, 0, 4], SIZE), { x: 1, y: 2, scale: 50 });
  equal(fitted([0, 8, 0, 1], SIZE), { x: 4, y: 0.5, scale: 50 });
});

test("the plane's second axis points upwards", () => {
  equal(onScreen(VIEW, SIZE, 1, 2), [200, 100]);
  equal(onScreen(VIEW, SIZE, 2, 3), [250, 50]);
});

test("zoom keeps what is under the cursor, wherever that is", () => {
  for (const factor of [Math.exp(0.5), 0.8, 1.25]) {
    const view = zoomed(VIEW, SIZE, [320, 30], factor);
    const [x, y] = [1 + (320 - 200) / 50, 2 - (30 - 100) / 50];
    close(onScreen(view, SIZE, x, y), [320, 30]);
    close(view.scale, 50 * factor);
  }
  equal(zoomed(VIEW, SIZE, [200, 100], 2), { x: 1, y: 2, scale: 100 });
});

test("a drag takes the plane along", () => {
  const view = dragged(VIEW, 60, -25);
  close(onScreen(view, SIZE, 1, 2), [260, 75]);
  equal(view.scale, 50);
});

test("between two of its epochs a panel shows the earlier, unless it is on its way", () => {
  const [own, line] = [
    [0, 2, 5],
    [0, 1, 2, 5],
  ];
  equal(moment(own, line, 0), { from: 0, to: 0, share: 0 });
  equal(moment(own, line, 1), { from: 0, to: 0, share: 0 });
  equal(moment(own, line, 1.25), { from: 0, to: 1, share: 0.25 });
  equal(moment(own, line, 0.75), { from: 0, to: 0, share: 0 });
  equal(moment(own, line, 3), { from: 2, to: 2, share: 0 });
  equal(moment([3], [1, 3], 0), { from: 0, to: 0, share: 0 }); // before its first epoch
});

test("points go straight from one epoch to the next", () => {
  const points = Float32Array.of(0, 0, 1, 1, 4, 8, 1, -1); // two epochs of two points
  equal(positions(points, 2, { from: 1, to: 1, share: 0 }), [4, 8, 1, -1]);
  equal(positions(points, 2, { from: 0, to: 1, share: 0.25 }), [1, 2, 1, 0.5]);
});

const WHERE = [0, 1, 1, 2, 2, 3, 3, 1]; // four points

test("a lasso takes what is inside it and visible", () => {
  const all = box([-10, -10], [410, 210]);
  equal(
    enclosed(all, WHERE, VIEW, SIZE, () => true),
    [0, 1, 2, 3],
  );
  equal(
    enclosed(all, WHERE, VIEW, SIZE, (row) => row % 2 === 0),
    [0, 2],
  );
  equal(
    enclosed(box([190, 40], [260, 110]), WHERE, VIEW, SIZE, () => true),
    [1, 2],
  );
  equal(
    enclosed([], WHERE, VIEW, SIZE, () => true),
    [],
  );
});

test("a click is on the nearest visible point within 9 pixels", () => {
  const at = (/** @type {[number, number]} */ place, hidden = -1) =>
    under(place, WHERE, VIEW, SIZE, (row) => row !== hidden);
  equal([at([203, 104]), at([200, 109]), at([203, 104], 1), at([256, 50])], [1, -1, -1, 2]);
});

/** @param {number} width @param {number} height @param {number[]} pixel */
const filled = (width, height, pixel) => ({
  width,
  height,
  data: Uint8ClampedArray.from(Array.from({ length: width * height }, () => pixel).flat()),
});

test("a marker covers by its opacity, and is cut off at the edges", () => {
  const picture = filled(3, 2, [100, 100, 100, 255]);
  stamp(picture, filled(2, 2, [200, 0, 100, 255]), 2, -1, 0.5);
  const reds = Array.from({ length: 6 }, (_, i) => picture.data[4 * i]);
  equal(reds, [100, 100, 150, 100, 100, 100]);
  equal(picture.data.slice(8, 12), [150, 50, 100, 255]);
  stamp(picture, filled(2, 2, [0, 0, 0, 0]), 0, 0, 1); // what cannot be seen changes nothing
  equal(picture.data.slice(0, 4), [100, 100, 100, 255]);
  stamp(picture, filled(2, 2, [9, 9, 9, 255]), 7, 7, 1);
  stamp(picture, filled(2, 2, [9, 9, 9, 255]), -7, -7, 1);
  equal(reds.slice(3), [100, 100, 100]);
});

test("a cell is at a border where its right or lower neighbour is of another class", () => {
  const answers = [
    [0, 0, 1],
    [0, 2, 1],
  ];
  equal(borders(answers.flat(), 2, 3), [false, true, false, true, true, false]);
  equal(borders([0, 1], 2, 1), [true, false]); // the end of a row has no neighbour in the next
  equal(borders([0, 1, 1, 0], 2, 2), [true, true, true, false]);
});
