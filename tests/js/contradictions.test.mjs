// What the review asks a labeler to look at again.
import assert from "node:assert/strict";
import { test } from "node:test";

import { contradictions } from "../../frontend/static/js/contradictions.js";

const rated = (/** @type {Record<string, number>} */ overall, /** @type {Record<string, string[]>} */ flags = {}) =>
  Object.fromEntries(Object.entries(overall).map(([id, value]) => [id, { overall: value, flags: flags[id] ?? [] }]));

test("a 2/7 above a 6/7 is a contradiction, a 5/7 above a 6/7 is not", () => {
  assert.deepEqual(contradictions([["a"], ["b"]], rated({ a: 2, b: 6 }), true), [
    { kind: "inverted", ids: ["a", "b"], step: "rank", ask: true },
  ]);
  assert.deepEqual(contradictions([["a"], ["b"]], rated({ a: 5, b: 6 }), true), []);
});

test("who stands above several is named once", () => {
  const found = contradictions([["a"], ["b"], ["c"]], rated({ a: 1, b: 6, c: 5 }), true);
  assert.deepEqual(found.map(({ ids }) => ids), [["a", "b", "c"]]);
});

test("a tie never contradicts", () => {
  assert.deepEqual(contradictions([["a", "b"]], rated({ a: 2, b: 6 }), true), []);
});

test("fails the task, yet first", () => {
  const ratings = rated({ a: 5, b: 5 }, { a: ["fails_task"] });
  assert.deepEqual(contradictions([["a"], ["b"]], ratings, true), [
    { kind: "failing_first", ids: ["a"], step: "rate", ask: true },
  ]);
  const both = rated({ a: 5, b: 5 }, { a: ["fails_task"], b: ["fails_task"] });
  assert.deepEqual(contradictions([["a"], ["b"]], both, true), []);
});

test("everything tied and nothing moved", () => {
  const ratings = rated({ a: 4, b: 4 });
  const [found] = contradictions([["a", "b"]], ratings, false);
  assert.deepEqual([found.kind, found.ask], ["all_tied", true]);
  assert.deepEqual(contradictions([["a", "b"]], ratings, true), []);
});

test("the order of the ratings, confirmed on the board, is told and not asked about again", () => {
  const [found] = contradictions([["a"], ["b"]], rated({ a: 5, b: 4 }), false);
  assert.deepEqual([found.kind, found.ask], ["untouched", false]);
});
