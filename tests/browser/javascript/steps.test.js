// @ts-check
import { straighten } from "../../../pages/parts/shell/frame/steps.js";
import { equal, test } from "./check.js";

test("a page's address with the settings of the next one is no step, every other is", () => {
  const here = { pathname: "/Curves", search: "" };
  /** @type {string[]} */
  const steps = ["/Curves"];
  const go = (/** @type {string} */ to) => {
    const { pathname, search } = new URL(to, document.baseURI);
    Object.assign(here, { pathname, search });
  };
  const history = /** @type {any} */ ({
    pushState(/** @type {any} */ _, /** @type {string} */ __, /** @type {string} */ to) {
      steps.push(to);
      go(to);
    },
    replaceState(/** @type {any} */ _, /** @type {string} */ __, /** @type {string} */ to) {
      steps.splice(-1, 1, to);
      go(to);
    },
  });
  straighten(history, here);
  straighten(history, here); // by another script of the window
  history.pushState({}, "", "/Curves?point=a");
  history.pushState({}, "", "/Curves?model=b");
  history.pushState({}, "", "/Attack_lab?model=b");
  history.pushState({}, "", "/Attack_lab?model=c");
  history.pushState({}, "", "/Compare");
  history.pushState({}, "", "/Curves");
  equal(steps, ["/Curves", "/Curves?point=a", "/Attack_lab?model=b", "/Attack_lab?model=c", "/Compare", "/Curves"]);
});
