// @ts-check
import { general, short, signed, ticks } from "../../../pages/parts/shell/numbers.js";
import { equal, test } from "./check.js";

const texts = (/** @type {[number, number, number]} */ ...ends) => ticks(...ends).map(({ text }) => text);

test("ticks are 1, 2 or 5 times a power of ten", () => {
  equal(texts(0, 10, 5), ["0", "2", "4", "6", "8", "10"]);
  equal(texts(-1, 1, 4), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
  equal(texts(0.11, 0.52, 4), ["0.2", "0.4"]);
  equal(texts(-3, 4, 7), ["−3", "−2", "−1", "0", "1", "2", "3", "4"]);
  equal(texts(990, 5000, 2), ["5000"]);
});

test("no zero has a minus", () => {
  equal(texts(-0.25, 0.35, 3), ["−0.2", "0.0", "0.2"]);
});

test("ticks lie where they say", () => {
  for (const { value, text } of ticks(-7.3, 2.9, 6)) equal(Number(text.replace("−", "-")), value + 0);
});

test("short writes three digits, a power of ten far from 1, and a dash for what is no number", () => {
  equal([0, 1, 2 / 3, 123.456, 999.96, 9999.4].map(short), ["0", "1", "0.667", "123", "1,000", "9,999"]);
  equal([0.001, 0.000099, -12345, -1234567].map(short), [
    "0.001",
    "9.9\u00a0×\u00a010⁻⁵",
    "−12,345",
    "−1.23\u00a0×\u00a010⁶",
  ]);
  equal([NaN, Infinity].map(short), ["–", "–"]);
});

test("signed has a plus or a real minus", () => {
  equal([signed(0.12345, 3), signed(-0.12345, 2), signed(0, 1)], ["+0.123", "−0.12", "+0.0"]);
});

test("general has no zeros at the end", () => {
  equal(
    [general(0.9, 3), general(0, 3), general(1.5e-5, 3), general(123456, 3)],
    ["0.9", "0", "1.5\u00a0×\u00a010⁻⁵", "123,456"],
  );
});
