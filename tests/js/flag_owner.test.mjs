// To which completion a flag goes after a rating has moved on.
import assert from "node:assert/strict";
import { test } from "node:test";

import { GRACE_MS, goOn, leave, owner } from "../../frontend/static/js/flag_owner.js";

test("for a moment a flag belongs to the completion just rated, then to the one in sight", () => {
  const left = leave("a", "b", 1_000);
  assert.equal(owner(left, "b", 1_000), "a");
  assert.equal(owner(left, "b", 1_000 + GRACE_MS - 1), "a");
  assert.equal(owner(left, "b", 1_000 + GRACE_MS), "b");
});

test("each flag gives the next one as long again, but none brings the moment back", () => {
  const left = goOn(leave("a", "b", 0), GRACE_MS - 1);
  assert.equal(owner(left, "b", GRACE_MS + 1), "a");
  assert.equal(goOn(left, 3 * GRACE_MS), null);
  assert.equal(goOn(null, 0), null);
});

test("a rating that stayed leaves nothing behind", () => {
  assert.equal(leave("a", "a", 0), null);
  assert.equal(owner(null, "a", 0), "a");
});
