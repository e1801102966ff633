// @ts-check
import {
  anchored,
  arranged,
  closer,
  fitting,
  GAP,
  nearest,
  next,
  origin,
  SPARE,
  settled,
  whole,
  written,
} from "../../../pages/parts/components/viewer/lens.js";
import { close, equal, test, throws } from "./check.js";

test("scales are whole numbers of pixels, of the picture or of the screen", () => {
  equal([1, 1.99, 2, 7.9999999, 0.99, 0.5, 0.34, 0.25].map(whole), [1, 1, 2, 8, 0.5, 0.5, 1 / 3, 0.25]);
});

test("a scale is whole unless a third of the room stays empty", () => {
  equal(
    [1, 1.2, 2.4, 8.9, 0.8].map((room) => fitting(room, 224)),
    [1, 1, 2, 8, 1 / 2],
  );
  equal(
    [1.23, 1.5, 1.9].map((room) => fitting(room, 224)),
    [275 / 224, 336 / 224, 425 / 224],
  );
  equal(
    [1.18, 2.2, 8.2].map((room) => fitting(room, 224, SPARE)),
    [264 / 224, 492 / 224, 8],
  ); // of a whole screen
  equal(
    [0.8, 1.01].map((room) => fitting(room, 224, 0)),
    [179 / 224, 226 / 224],
  );
  equal([1, 13, 275 / 224, 1 / 3, 179 / 224].map(written), ["×1", "×13", "×1.23", "1 : 3", "1 : 1.25"]);
});

test("there is a next scale up and down, and an end", () => {
  equal([next(1, 1), next(6, 1), next(7, 1), next(64, 1)], [2, 8, 8, 64]);
  equal([next(2, -1), next(1, -1), next(13, -1), next(1 / 8, -1)], [1, 1 / 2, 12, 1 / 8]);
  equal([next(1 / 3, 1), next(1 / 2, 1)], [1 / 2, 1]);
});

test("a closer look is at least four times as close", () => {
  equal([closer(1), closer(1 / 2), closer(5), closer(40)], [4, 2, 20, 64]);
});

test("two fingers get the scale that is nearest as a ratio", () => {
  equal([nearest(6.9), nearest(7), nearest(3.4), nearest(0.2), nearest(500)], [6, 8, 3, 1, 64]);
});

test("a small picture stands in the middle, a large one fills its canvas", () => {
  equal([origin(100, 20, 10, 4), origin(101, 20, 10, 4), origin(100, 25, 3, 4)], [10, 10, 0]);
  equal(origin(100, 50, 25, 4), -50);
  equal([origin(100, 50, 0, 4), origin(100, 50, 50, 4)], [0, -100]);
  close(origin(30, 61, 30, 1 / 2), 0); // 30.5 pixels on 30
});

test("the middle is moved to where the picture fills the canvas", () => {
  equal(
    [settled(100, 20, 3, 4), settled(100, 50, 0, 4), settled(100, 50, 50, 4), settled(100, 50, 20, 4)],
    [10, 12.5, 37.5, 20],
  );
});

test("zoom keeps the pixel under the cursor", () => {
  const [room, size] = [224, 224];
  for (const at of [0, 50, 111.5, 180, 223]) {
    let [middle, scale] = [112, 1];
    for (const goal of [2, 3, 6, 20, 5, 2]) {
      const begin = origin(room, size, middle, scale);
      const pixel = (at - begin) / scale;
      middle = settled(room, size, anchored(at, begin, room, scale, goal), goal);
      close(origin(room, size, middle, goal) + pixel * goal, at, 0.5);
      scale = goal;
    }
  }
});

const ROOM = {
  width: 224,
  height: 224,
  cells: 3,
  stack: 1,
  columns: 3,
  across: 1000,
  down: null,
  below: 800,
  ratio: 1,
  captions: () => 50,
};

test("as many columns as there is room for", () => {
  const { columns, rows, scale, width } = arranged(ROOM);
  equal([columns, rows, scale, width], [3, 1, 325 / 224, (1000 - 2 * GAP) / 3]);
  equal(arranged({ ...ROOM, across: 500 }).columns, 2);
  const phone = arranged({ ...ROOM, across: 300, below: 600 });
  equal([phone.columns, phone.rows, phone.scale], [1, 3, 300 / 224]);
  equal(arranged({ ...ROOM, across: 150 }).scale, 1 / 2); // averaged where there is no room even for one
  equal(arranged({ ...ROOM, cells: 2 }).columns, 2);
});

test("the screen's own pixels count", () => {
  equal([arranged({ ...ROOM, ratio: 3 }).scale, arranged({ ...ROOM, ratio: 2 }).scale], [4, 650 / 224]);
});

test("a digit shrinks a little where that brings all of them into the window", () => {
  const digit = { ...ROOM, width: 28, height: 28 };
  equal(arranged(digit).scale, 11); // 325 pixels wide
  equal(arranged({ ...digit, below: 336 }).scale, 10); // 286 high
  equal(arranged({ ...digit, below: 240 }).scale, 8); // what is said below it is cut off
  equal(arranged({ ...digit, below: 220 }).scale, 11); // that would be too little
  equal(arranged({ ...ROOM, below: 336 }).scale, 286 / 224);
  equal(arranged({ ...ROOM, below: 310 }).scale, 1); // 260 high: whole
  equal(arranged({ ...ROOM, below: 310, projected: true }).scale, 260 / 224);
});

test("a row that is to stay one is averaged where it must be", () => {
  const row = { ...ROOM, cells: 5, columns: 5, across: 800 };
  equal([arranged(row).columns, arranged(row).rows], [3, 2]);
  const kept = arranged({ ...row, row: true });
  equal([kept.columns, kept.rows, kept.scale], [5, 1, 150 / 224]);
  equal(arranged({ ...row, row: true, across: 358 }).columns, 2); // of a phone, where three would have 111 pixels each
  const digits = { ...row, width: 28, height: 28, cells: 7, columns: 7, across: 946 };
  equal([arranged(digits).columns, arranged({ ...digits, row: true }).columns], [6, 7]);
  equal(arranged({ ...digits, row: true }).scale, 4); // 125 pixels for a picture
  equal(arranged({ ...row, row: true, across: 1400 }).scale, 1);
});

test("full screen has the columns at which pictures are largest", () => {
  const full = { ...ROOM, cells: 4, stack: 1, across: 1200, down: 500 };
  const { columns, rows, height, scale } = arranged(full);
  equal([columns, rows, scale, height], [4, 1, 291 / 224, 450]);
  const square = arranged({ ...full, across: 1000, down: 1200 });
  equal([square.columns, square.rows, square.scale], [2, 2, 494 / 224]);
  equal(arranged({ ...full, stack: 2, across: 2000, down: 700 }).rows, 2);
  throws(() => arranged({ ...full, cells: 0 }), "at least one picture");
});
