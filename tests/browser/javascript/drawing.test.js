// @ts-check
import { brush, button, make, ofClass, place, sized, trace, watch } from "../../../pages/parts/shell/drawing.js";
import { close, equal, test } from "./check.js";

test("an element has attributes, handlers and children", () => {
  let pressed = 0;
  const made = make(
    "button",
    { type: "button", title: null, disabled: false, hidden: true, tabindex: 0, onclick: () => pressed++ },
    "a",
    make("b"),
  );
  equal(made.outerHTML, '<button type="button" hidden="" tabindex="0">a<b></b></button>');
  made.click();
  equal(pressed, 1);
  equal(
    button("+", "Nearer", () => {}).outerHTML,
    '<button type="button" title="Nearer" aria-label="Nearer">+</button>',
  );
});

test("colours and markers of classes come again", () => {
  const colours = ["blue", "green", "black"];
  equal(
    [0, 1, 3, 7].map((c) => ofClass(colours, c)),
    ["blue", "green", "blue", "green"],
  );
});

test("a place is from the element's own corner", () => {
  const box = make("div", { style: "position: absolute; left: 30px; top: 40px; width: 9px; height: 9px" });
  document.body.append(box);
  equal(place(box, new MouseEvent("click", { clientX: 35, clientY: 47 })), [5, 7]);
});

test("a canvas is as dense as the screen, and drawn on in CSS pixels", () => {
  const canvas = make("canvas");
  const context = sized(canvas, 30.4, 20);
  context.fillRect(0, 0, 30.4, 20);
  const ratio = window.devicePixelRatio;
  equal([canvas.width, canvas.height, canvas.style.height], [Math.round(30.4 * ratio), 20 * ratio, "20px"]);
  equal(context.getTransform().a, ratio);
  equal(sized(canvas, 30.4, 20).getImageData(5, 5, 1, 1).data, [0, 0, 0, 0]); // what was there is gone
});

/** Share of a square of 4 r^2 that a marker covers, and the middle of it in radii. @param {string} symbol */
function covered(symbol) {
  const [size, r] = [400, 150];
  const context = brush(make("canvas", { width: size, height: size }));
  trace(context, symbol, 200, 200, r);
  context.fill();
  const { data } = context.getImageData(0, 0, size, size);
  let [sum, x, y] = [0, 0, 0];
  for (let i = 0; i < size * size; i++) {
    const share = data[4 * i + 3] / 255;
    sum += share;
    x += share * ((i % size) + 0.5 - 200);
    y += share * (Math.floor(i / size) + 0.5 - 200);
  }
  return [sum / (4 * r * r), x / sum / r, y / sum / r];
}

const regular = (/** @type {number} */ n) => (n * Math.sin((2 * Math.PI) / n)) / 8; // area of r = 1, over 4

test("markers have the shapes of their names", () => {
  for (const [symbol, area] of /** @type {[string, number][]} */ ([
    ["circle", Math.PI / 4],
    ["square", 0.86 ** 2],
    ["diamond", regular(4)],
    ["triangle-up", regular(3)],
    ["triangle-down", regular(3)],
    ["pentagon", regular(5)],
    ["hexagon", regular(6)],
    ["cross", 5 / 9],
    ["x", 5 / 9],
    ["star", (10 * 0.45 * Math.sin(Math.PI / 5)) / 8],
  ])) {
    close(covered(symbol), [area, 0, 0], 0.003);
  }
});

test("a triangle points where its name says, a cross lies as its name says", () => {
  const inked = (/** @type {string} */ symbol, /** @type {number} */ x, /** @type {number} */ y) => {
    const context = brush(make("canvas", { width: 100, height: 100 }));
    trace(context, symbol, 50, 50, 40);
    return context.isPointInPath(50 + 40 * x, 50 + 40 * y);
  };
  equal([inked("triangle-up", 0, -0.9), inked("triangle-up", 0, 0.9)], [true, false]);
  equal([inked("triangle-down", 0, -0.9), inked("triangle-down", 0, 0.9)], [false, true]);
  equal([inked("cross", 0, 0.9), inked("cross", 0.6, 0.6)], [true, false]);
  equal([inked("x", 0, 0.9), inked("x", 0.6, 0.6)], [false, true]);
  equal([inked("star", 0, -0.9), inked("star", 0, 0.9)], [true, false]);
});

test("a new size or theme is drawn, until it is ended", async () => {
  const root = make("div", { style: "width: 50px; height: 50px" });
  document.body.append(root);
  let drawn = 0;
  const settled = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const end = watch(root, () => drawn++);
  await settled();
  equal(drawn, 1);
  root.style.width = "60px";
  await settled();
  equal(drawn, 2);
  document.documentElement.dataset.theme = "dark";
  await settled();
  equal(drawn, 3);
  end();
  root.style.width = "70px";
  delete document.documentElement.dataset.theme;
  await settled();
  equal(drawn, 3);
});
