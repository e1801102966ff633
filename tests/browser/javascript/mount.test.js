// @ts-check
import { make } from "../../../pages/parts/shell/drawing.js";
import { mount } from "../../../pages/parts/shell/mount.js";
import { equal, test, throws } from "./check.js";

/** A component on the page, and what has been done to it. */
function mounted() {
  /** @type {string[]} */
  const log = [];
  /** @type {[string, unknown][]} */
  const told = [];
  let made = 0;
  const component = mount(".thing", (root) => {
    const number = ++made;
    return {
      root,
      adopt: (/** @type {unknown} */ data, report) => {
        log.push(`${number} adopts ${data}`);
        report(data);
      },
      dispose: () => log.push(`${number} is disposed of`),
    };
  });
  const parentElement = make("div", {}, make("p", { class: "thing" }));
  document.body.append(parentElement);
  const setTriggerValue = (/** @type {string} */ name, /** @type {unknown} */ value) => told.push([name, value]);
  const call = (/** @type {unknown} */ data) => component({ data, parentElement, setTriggerValue });
  return { log, told, parentElement, call };
}

test("new data go to what is there already", () => {
  const { log, told, call } = mounted();
  call("a");
  call("b");
  equal(log, ["1 adopts a", "1 adopts b"]);
  equal(told, [
    ["picked", "a"],
    ["picked", "b"],
  ]);
});

test("an element that has left the page is let go, and may come again", () => {
  const { log, parentElement, call } = mounted();
  const gone = call("a");
  parentElement.remove();
  gone();
  document.body.append(parentElement);
  call("b");
  equal(log, ["1 adopts a", "1 is disposed of", "2 adopts b"]);
});

test("an earlier call's end does not end what is still on the page", () => {
  const { log, call } = mounted();
  const superseded = call("a");
  call("b");
  superseded();
  call("c");
  equal(log, ["1 adopts a", "1 adopts b", "1 adopts c"]);
});

test("new markup gets a drawing of its own", () => {
  const { log, parentElement, call } = mounted();
  call("a");
  parentElement.replaceChildren(make("p", { class: "thing" }));
  call("b");
  equal(log, ["1 adopts a", "1 is disposed of", "2 adopts b"]);
});

test("a component without its root says so", () => {
  const { parentElement, call } = mounted();
  parentElement.replaceChildren();
  throws(() => call("a"), "the component has no .thing");
});
