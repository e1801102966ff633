// @ts-check
import { readout } from "../../../pages/parts/components/viewer/readout.js";
import { equal, test } from "./check.js";

test("a picture says its levels and its values", () => {
  equal(readout([0.5, 1], null, "", 3, 14), ["x 3  y 14  level 128 255", "0.5000  1.0000"]);
});

test("a perturbation says 8-bit levels and values with their signs", () => {
  equal(readout([-0.0123, 0], 0.2, "", 0, 0), ["x 0  y 0  −3.1 +0.0 /255", "−0.0123 +0.0000"]);
  equal(readout([-1.23e-6], 1e-5, "", 0, 0), ["x 0  y 0  −0.00031 /255", "−0.00000123"]);
});

test("what has a unit of its own says the grey that is seen", () => {
  equal(readout([0.25], 1, "σ", 1, 2), ["x 1  y 2  grey 191", "+0.25 σ"]);
});
