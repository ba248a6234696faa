// Words: counted, compared, said.
import assert from "node:assert/strict";
import { test } from "node:test";

import { count, IDLE_MS, seconds, start, touch } from "../../frontend/static/js/active_time.js";
import { differing } from "../../frontend/static/js/diff.js";
import { sameDraft } from "../../frontend/static/js/draft.js";
import { ngettext, say } from "../../frontend/static/js/i18n.js";
import { saveWords } from "../../frontend/static/js/save_words.js";
import { wordCount } from "../../frontend/static/js/words.js";

test("words are counted in any script", () => {
  assert.equal(wordCount("never let it flower"), 4);
  assert.equal(wordCount("**bold**, - list"), 2);
  assert.equal(wordCount(""), 0);
  assert.ok(wordCount("東京は日本の首都です", "ja") > 3);
});

test("only the words that differ are marked", () => {
  const marks = differing(["the", "red", "cat", "sat"], ["the", "cat", "sat", "down"]);
  assert.deepEqual(marks, [false, true, false, false]);
  assert.deepEqual(differing([], ["a"]), []);
  assert.deepEqual(differing(["a"], []), [true]);
});

test("sentences take their values, and one differs from many", () => {
  assert.equal(say("%(a)s above %(b)s", { a: "A", b: "B" }), "A above B");
  assert.equal(ngettext("%(count)s word", "%(count)s words", 1), "1 word");
  assert.equal(ngettext("%(count)s word", "%(count)s words", 3), "3 words");
});

test("the state of saving is said in words", () => {
  assert.match(saveWords("saved", null, 0), /^Saved \d/);
  assert.equal(saveWords("offline", null, 0), "Offline, kept on this computer");
  assert.equal(saveWords("offline", { status: 503 }, 0), "Server not answering, kept on this computer");
});

test("drafts are the same whatever the order of keys and the time spent", () => {
  assert.ok(sameDraft({ a: 1, b: [1], active_seconds: 2 }, { active_seconds: 9, b: [1], a: 1 }));
  assert.ok(!sameDraft({ a: [1, 2] }, { a: [2, 1] }));
});

test("active time stops a minute after the last touch and while out of sight", () => {
  let active = start(0);
  active = touch(active, 10_000);
  active = count(active, 10_000 + IDLE_MS * 5, true);
  assert.equal(seconds(active), 70);
  active = touch(active, 10_000 + IDLE_MS * 5);
  active = count(active, 10_000 + IDLE_MS * 5 + 20_000, false);
  assert.equal(seconds(active), 70);
});
