// The ranking page's state from the first key to the label.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as ranking from "../../frontend/static/js/ranking_state.js";

const IDS = ["12", "7", "31", "9"];
const begin = (draft = {}) => ranking.fromDraft(IDS, draft);
const rated = (...marks) => marks.reduce((state, mark) => ranking.rate(state, mark), begin());
const ranked = (...marks) => ranking.onward(rated(...marks));

test("a rating moves on to the next; the last one waits, and leads to the board when told", () => {
  const one = ranking.rate(begin(), 6);
  assert.deepEqual([one.current, one.step], ["7", "rate"]);
  const last = rated(6, 2, 6, 1);
  assert.deepEqual([last.current, last.step, last.board], ["9", "rate", null]);
  const all = ranking.onward(last);
  assert.equal(all.step, "rank");
  assert.deepEqual(all.board.present, [["12", "31"], ["7"], ["9"]]);
  assert.equal(all.touched, false);
});

test("going back and rating again stays, and an untouched board follows", () => {
  const back = ranking.focusOn(ranking.go(ranked(6, 2, 6, 1), "rate"), "9");
  const again = ranking.rate(back, 7);
  assert.deepEqual([again.step, again.current], ["rate", "9"]);
  assert.deepEqual(again.board.present, [["9"], ["12", "31"], ["7"]]);
});

test("a board moved by hand stays when a rating changes", () => {
  const moved = ranking.arrange(ranked(6, 2, 6, 1), [["9"], ["12", "31"], ["7"]]);
  const again = ranking.rate(ranking.focusOn(moved, "7"), 7);
  assert.deepEqual(again.board.present, [["9"], ["12", "31"], ["7"]]);
});

test("who stays after a rating is led on to the next unrated one", () => {
  const stayed = ranking.rateHere(begin(), 5);
  assert.equal(stayed.current, "12");
  assert.equal(ranking.onward(stayed).current, "7");
  const back = ranking.focusOn(rated(6, 2), "12");
  assert.equal(ranking.onward(back).current, "31");
});

test("a flag goes to the completion it is said of, whichever is in sight", () => {
  const state = ranking.toggleFlag(rated(2), "hallucination", "12");
  assert.deepEqual([state.current, state.ratings["12"].flags, state.ratings["7"].flags], ["7", ["hallucination"], []]);
});

test("the board cannot be reached before every completion is rated", () => {
  const some = ranking.rate(begin(), 5);
  assert.deepEqual([ranking.go(some, "rank").step, ranking.go(some, "review").step], ["rate", "rate"]);
});

test("flags toggle and a rating keeps them", () => {
  const flagged = ranking.rate(ranking.toggleFlag(begin(), "hallucination", "12"), 3);
  assert.deepEqual(flagged.ratings["12"], { overall: 3, flags: ["hallucination"] });
  const off = ranking.toggleFlag(flagged, "hallucination", "12");
  assert.deepEqual(off.ratings["12"].flags, []);
});

test("moves are undone and done again; a move that changes nothing is none", () => {
  const start = ranked(4, 3, 2, 1);
  assert.equal(ranking.arrange(start, start.board.present.map((band) => [...band])), start);
  const moved = ranking.arrange(start, [["12", "7"], ["31"], ["9"]]);
  assert.deepEqual(ranking.undo(moved).board.present, start.board.present);
  assert.deepEqual(ranking.redo(ranking.undo(moved)).board.present, moved.board.present);
});

test("a draft brings everything back, through JSON", () => {
  const moved = ranking.go(ranking.arrange(ranked(4, 3, 2, 1), [["12", "7"], ["31"], ["9"]]), "review");
  const back = begin(JSON.parse(JSON.stringify(ranking.toDraft(moved))));
  assert.deepEqual(ranking.toLabel(back), ranking.toLabel(moved));
  assert.deepEqual([back.step, back.touched], ["review", true]);
});

test("a draft that does not fit the task is not trusted", () => {
  const odd = begin({ ranking: [["12"], ["99"]], ratings: { 12: { overall: 4 } }, current: "99", step: "review" });
  assert.equal(odd.board, null);
  assert.equal(odd.step, "rate");
  assert.deepEqual(odd.ratings["12"], { overall: 4, flags: [] });
});

test("what is taken off the board has to be ranked before the review", () => {
  const off = ranking.arrange(ranked(4, 3, 2, 1), [["12"], ["31"]]);
  assert.deepEqual(ranking.pool(off), ["7", "9"]);
  const held = ranking.go(off, "review");
  assert.deepEqual([held.step, held.current], ["rank", "7"]);
  const back = begin(JSON.parse(JSON.stringify(ranking.toDraft(off))));
  assert.deepEqual([back.step, ranking.pool(back)], ["rank", ["7", "9"]]);
  assert.equal(ranking.go(ranking.arrange(back, [["12"], ["31"], ["7", "9"]]), "review").step, "review");
});
