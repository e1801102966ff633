// @ts-check
import { extent, saying, shift } from "../../../pages/parts/shell/frame/bring.js";
import { equal, test } from "./check.js";

test("nothing moves for what is seen whole, and else no farther than it takes", () => {
  equal(shift([200, 500], [100, 700]), 0);
  equal(shift([500, 800], [100, 700]), 100);
  equal(shift([40, 340], [100, 700]), -60);
});

test("what is higher than the room is seen from its top", () => {
  equal(shift([300, 1000], [100, 700]), 200);
  equal(shift([50, 1000], [100, 700]), -50);
});

test("a picture is brought with what is below it, a component as a whole, and a heading with all that follows", () => {
  const page = document.createElement("main");
  page.style.cssText = "position: absolute; top: 0; left: 0";
  page.innerHTML =
    "<figure style='margin: 0; height: 300px'><figcaption>One</figcaption></figure><h5 style='margin: 0'>Two</h5>" +
    "<div style='height: 50px'></div><div data-testid='stElementContainer' style='height: 70px'><p style='margin: 0'>Three</p></div>";
  const drawn = page.querySelector("div")?.attachShadow({ mode: "open" });
  if (drawn) drawn.innerHTML = "<button>Four</button>";
  document.body.append(page);
  const of = (/** @type {string} */ words) => {
    const found = saying(page, words);
    return found ? extent(found) : undefined;
  };
  const [, end] = of("One") ?? [];
  equal([of("One")?.[0], end], [0, 300]);
  equal(of("Two"), [300, Infinity]);
  const [three, four] = [of("Three") ?? [0, 0], of("Four") ?? [0, 0]];
  equal([three[1] - three[0], four[1] - four[0], three[0] - four[1]], [70, 50, 0]);
  page.remove();
});

test("words are found where exactly they are written before where they only begin, and in what components draw", () => {
  const page = document.createElement("main");
  page.innerHTML =
    "<p>Deviation of all</p><p hidden>Deviation</p><div class='st-key-lesson'>Deviation</div><div id='drawn'></div>";
  const drawn = page.querySelector("#drawn")?.attachShadow({ mode: "open" });
  if (!drawn) throw new Error("there is no place to draw");
  drawn.innerHTML = "<figure><figcaption> Deviation </figcaption></figure>";
  document.body.append(page);
  equal(saying(page, "Deviation")?.localName, "figcaption");
  equal(saying(page, "Deviation of")?.localName, "p");
  equal(saying(page, "Nowhere"), undefined);
  page.remove();
});
