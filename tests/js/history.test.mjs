// Undo and redo.
import assert from "node:assert/strict";
import { test } from "node:test";

import { begin, record, redo, undo } from "../../frontend/static/js/history.js";

test("undo goes back, redo forward, and both stop at the ends", () => {
  const two = record(record(begin("a"), "b"), "c");
  assert.equal(undo(two).present, "b");
  assert.equal(undo(undo(undo(two))).present, "a");
  assert.equal(redo(undo(two)).present, "c");
  assert.equal(redo(two).present, "c");
});

test("a new step forgets what was undone", () => {
  const branched = record(undo(record(begin("a"), "b")), "x");
  assert.equal(redo(branched).present, "x");
  assert.equal(undo(branched).present, "a");
});
