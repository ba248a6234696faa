import assert from "node:assert/strict";
import { test } from "node:test";

import { align, smoothed } from "../../frontend/static/js/console/smoothing.js";

test("curves of different steps stand on the same ones", () => {
  const curves = [new Map([[1, 0.5], [3, null]]), new Map([[2, 7]])];
  assert.deepEqual(align(curves), [[1, 2, 3], [0.5, null, null], [null, 7, null]]);
});

test("smoothing begins without bias and keeps gaps", () => {
  assert.deepEqual(smoothed([4, null, 4], 0.9).map((v) => v && Math.round(v)), [4, null, 4]);
  const [first, second] = smoothed([0, 1], 0.5);
  assert.equal(first, 0);
  assert.ok(Math.abs(second - 2 / 3) < 1e-12);
  assert.deepEqual(smoothed([1, 2], 0), [1, 2]);
});
