// @ts-check
import { blurred, half, PixelGraph, sigmaOf, taps } from "../../../pages/parts/components/response/solve.js";
import { close, equal, test } from "./check.js";

// Two rows of three pixels; S_ij of seven edges.
const RIGHT = [0.5, 0.1, 0, 0.3, 0.4, 0];
const DOWN = [0.2, 0.3, 0.35, 0, 0, 0];
const graph = new PixelGraph(RIGHT, DOWN, 3, 2);

test("the system is that of the graph, edge by edge", () => {
  const out = new Float64Array(6);
  graph.apply(0.5, Float64Array.of(1, 2, 3, 4, 5, 6), out);
  close(Array.from(out), [
    1 - 0.5 * (0.5 * 2 + 0.2 * 4),
    2 - 0.5 * (0.5 * 1 + 0.1 * 3 + 0.3 * 5),
    3 - 0.5 * (0.1 * 2 + 0.35 * 6),
    4 - 0.5 * (0.3 * 5 + 0.2 * 1),
    5 - 0.5 * (0.3 * 4 + 0.4 * 6 + 0.3 * 2),
    6 - 0.5 * (0.4 * 5 + 0.35 * 3),
  ]);
});

test("a solution solves, and says how well", () => {
  const z = Float64Array.of(0, 1, 0, -2, 0, 0.5);
  const { values, steps, residual } = graph.solve(0.9, z, 1e-10);
  const out = new Float64Array(6);
  graph.apply(0.9, values, out);
  close(
    Array.from(out, (value) => value / 0.1),
    Array.from(z),
  );
  equal([steps <= 7, residual <= 1e-10], [true, true]);
});

test("alpha 0 changes nothing, nor does anything change nothing", () => {
  const z = Float64Array.of(0, 1, 0, -2, 0, 0.5);
  equal([Array.from(graph.solve(0, z, 1e-9).values), graph.solve(0, z, 1e-9).steps], [Array.from(z), 1]);
  equal(graph.solve(0.9, new Float64Array(6), 1e-9), { values: new Float64Array(6), steps: 0, residual: 0 });
});

test("who may not go on says where it stands", () => {
  const { steps, residual } = graph.solve(0.9, Float64Array.of(1, 0, 0, 0, 0, 0), 1e-12, 1);
  equal([steps, residual > 1e-3], [1, true]);
});

test("half of a sum in its largest parts", () => {
  equal([half(Float64Array.of(1, 5, 2, 2)), half(Float64Array.of(1, 1, 1, 1)), half(new Float64Array(3))], [1, 2, 0]);
});

test("a Gaussian leaves as much of an impulse as is asked for, and of its sum all", () => {
  for (const share of [1, 0.3, 0.02, 0.0005]) close([taps(sigmaOf(share))[0] ** 2], [share]);
  const values = blurred(1.5, 20, 20, 41, 41);
  close([values.reduce((sum, value) => sum + value, 0), values[20 * 41 + 20]], [1, taps(1.5)[0] ** 2]);
  equal([values[20 * 41 + 22] === values[22 * 41 + 20], values[0] > 0], [true, false]);
});
