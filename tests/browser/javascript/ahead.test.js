// @ts-check
import { beside, sparing } from "../../../pages/parts/shell/frame/ahead.js";
import { equal, test } from "./check.js";

test("a script lies where Streamlit's others do, wherever it is served", () => {
  const chart = "PlotlyChart.a1.js";
  equal(
    beside(chart, "https://a.example/tool/static/js/index.b2.js"),
    "https://a.example/tool/static/js/PlotlyChart.a1.js",
  );
  equal(beside(chart, "https://a.example/else/index.b2.js"), undefined);
  equal(beside(chart, undefined), undefined);
});

test("who asked for little is sent nothing ahead", () => {
  equal([{}, { connection: {} }, { connection: { saveData: true } }].map(sparing), [false, false, true]);
});
