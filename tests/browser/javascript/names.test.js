// @ts-check
import { spoken } from "../../../pages/parts/shell/frame/names.js";
import { equal, test } from "./check.js";

test("a formula is said without its LaTeX, words are left alone", () => {
  equal(["Gain", "Detail $σ_h$", "Norm $C_{MM}$", "$λ_{max}$ of $\\hat{s}^2$, costs 5 $", "a_b {c}"].map(spoken), [
    "Gain",
    "Detail σ h",
    "Norm C MM",
    "λ max of hats 2, costs 5 $",
    "a_b {c}",
  ]);
});
