// @ts-check
import {
  dragged,
  limited,
  outline,
  pointed,
  pressed,
  projection,
  START,
} from "../../../pages/parts/components/orbit/camera.js";
import { close, equal, test } from "./check.js";

/** @import { Camera } from "../../../pages/parts/components/orbit/camera.js" */

const HALF = 0.92 * 200; // CSS pixels of a radius at the origin, times 4.2 / 4, on a canvas of 600 by 400

/** @param {Camera} camera @param {number} radius */
const see = (camera, radius = 1) => {
  const project = projection(camera, radius, 600, 400);
  return (/** @type {number[]} */ ...point) => project(point, 0);
};

/** The direction of the eye. @param {Camera} camera */
const towards = ({ turn, tilt }) => [Math.cos(turn) * Math.cos(tilt), Math.sin(turn) * Math.cos(tilt), Math.sin(tilt)];

test("from the first axis the second points to the right and the third upwards", () => {
  const at = see({ turn: 0, tilt: 0, zoom: 1 });
  close([at(0, 0, 0).x, at(0, 0, 0).y, at(0, 0, 0).depth], [300, 200, 0]);
  close([at(0, 0.5, 0).x, at(0, 0.5, 0).y], [300 + (0.5 * 4 * HALF) / 4.2, 200]);
  close([at(0, 0, 0.5).x, at(0, 0, 0.5).y], [300, 200 - (0.5 * 4 * HALF) / 4.2]);
  close([at(0.5, 0, 0).depth, at(-0.5, 0, 0).depth], [0.5, -0.5]);
});

test("what lies on the line of sight is in the middle, the nearer the larger", () => {
  for (const camera of [START, { turn: -2, tilt: 1.2, zoom: 2 }, { turn: 3, tilt: -0.7, zoom: 0.5 }]) {
    const at = see(camera);
    const [near, far] = [0.6, -0.6].map((depth) => at(...towards(camera).map((axis) => depth * axis)));
    close([near.x, near.y, far.x, far.y], [300, 200, 300, 200]);
    close([near.depth, far.depth], [0.6, -0.6]);
    close([near.scale, far.scale], [4 / 3.6, 4 / 4.8]);
  }
});

test("radius and zoom scale what is seen", () => {
  const [once, twice] = [see(START)(0.1, 0.2, 0.3), see({ ...START, zoom: 2 })(0.1, 0.2, 0.3)];
  close([twice.x - 300, twice.y - 200], [2 * (once.x - 300), 2 * (once.y - 200)]);
  const wide = see(START, 10)(1, 2, 3);
  close([wide.x, wide.y, wide.depth], [once.x, once.y, once.depth]);
});

test("the i-th point of many is projected", () => {
  const project = projection(START, 1, 600, 400);
  equal(project([9, 9, 9, 0.1, 0.2, 0.3], 1), project([0.1, 0.2, 0.3], 0));
});

test("what is in front goes where it is dragged, what is behind against it", () => {
  for (const camera of [START, { turn: 2.5, tilt: -0.8, zoom: 1 }]) {
    const [front, back] = [0.6, -0.6].map((depth) => towards(camera).map((axis) => depth * axis));
    const right = see(dragged(camera, 30, 0, 600));
    const down = see(dragged(camera, 0, 30, 600));
    equal([right(...front).x > 310, right(...back).x < 290], [true, true]);
    equal([down(...front).y > 210, down(...back).y < 190], [true, true]);
  }
});

test("a drag across the whole canvas turns by 3.4 radians", () => {
  const { turn, tilt, zoom } = dragged({ turn: 1, tilt: 0.2, zoom: 3 }, 600, -60, 600);
  close([turn, tilt, zoom], [1 - 3.4, 0.2 - 0.34, 3]);
});

test("a camera goes neither beyond the poles nor beyond its zoom", () => {
  equal(limited({ turn: 9, tilt: 2, zoom: 99 }), { turn: 9, tilt: Math.PI / 2, zoom: 12 });
  equal(limited({ turn: -9, tilt: -2, zoom: 0 }), { turn: -9, tilt: -Math.PI / 2, zoom: 0.4 });
});

test("keys walk round, come nearer and go home", () => {
  const camera = { turn: 1, tilt: 0.2, zoom: 3 };
  const gone = (/** @type {string} */ key) => Object.values(pressed(camera, key) ?? {});
  close(gone("ArrowLeft"), [1.12, 0.2, 3]);
  close(gone("ArrowRight"), [0.88, 0.2, 3]);
  close(gone("ArrowUp"), [1, 0.08, 3]);
  close(gone("ArrowDown"), [1, 0.32, 3]);
  close(gone("+"), [1, 0.2, 3.75]);
  close(gone("-"), [1, 0.2, 2.4]);
  equal([pressed(camera, "Home"), pressed(camera, "a")], [START, null]);
});

test("the outline of a sphere is where its farthest points are seen", () => {
  const at = see(START);
  let farthest = 0;
  for (let i = 0; i < 400; i++) {
    for (let j = 0; j < 400; j++) {
      const [turn, tilt] = [(2 * Math.PI * i) / 400, (Math.PI * j) / 400 - Math.PI / 2];
      const { x, y } = at(...towards({ turn, tilt, zoom: 1 }).map((axis) => 0.8 * axis));
      farthest = Math.max(farthest, Math.hypot(x - 300, y - 200));
    }
  }
  close(farthest, outline(0.8, 1, 600, 400), 0.01);
});

test("a pointer is on the nearest spot, and a solid one is larger", () => {
  const spots = [
    { x: 0, y: 0, solid: false },
    { x: 20, y: 0, solid: true },
  ];
  equal([pointed(spots, 7, 0), pointed(spots, 9, 0), pointed(spots, 20, 17)], [spots[0], spots[1], spots[1]]);
  equal([pointed(spots, 0, 14), pointed(spots, 20, 18), pointed([], 0, 0)], [null, null, null]);
});
