// The ranking logic that keys and mouse both call.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as tiers from "../../frontend/static/js/tiers.js";

const LADDER = [["a"], ["b"], ["c"], ["d"]];

test("the board opens sorted by rating, equal ratings tied, display order kept", () => {
  const ratings = { a: 4, b: 6, c: 4, d: 2 };
  assert.deepEqual(tiers.fromRatings(["c", "a", "b", "d"], ratings), [["b"], ["c", "a"], ["d"]]);
});

test("moving up joins the band above first and leaves it on the next press", () => {
  const tied = tiers.moveUp(LADDER, "c");
  assert.deepEqual(tied, [["a"], ["b", "c"], ["d"]]);
  assert.deepEqual(tiers.moveUp(tied, "c"), [["a"], ["c"], ["b"], ["d"]]);
});

test("moving down mirrors moving up", () => {
  const tied = tiers.moveDown(LADDER, "b");
  assert.deepEqual(tied, [["a"], ["c", "b"], ["d"]]);
  assert.deepEqual(tiers.moveDown(tied, "b"), [["a"], ["c"], ["b"], ["d"]]);
});

test("at the ends nothing moves", () => {
  assert.deepEqual(tiers.moveUp(LADDER, "a"), LADDER);
  assert.deepEqual(tiers.moveDown(LADDER, "d"), LADDER);
});

test("from the bottom enough presses reach the top, alone", () => {
  let board = LADDER;
  for (let press = 0; press < 6; press += 1) board = tiers.moveUp(board, "d");
  assert.deepEqual(board, [["d"], ["a"], ["b"], ["c"]]);
});

test("tying and splitting undo each other", () => {
  const tied = tiers.tieWithAbove(LADDER, "b");
  assert.deepEqual(tied, [["a", "b"], ["c"], ["d"]]);
  assert.deepEqual(tiers.split(tied, "b", "below"), LADDER);
  assert.deepEqual(tiers.split(tied, "b", "above"), [["b"], ["a"], ["c"], ["d"]]);
  assert.equal(tiers.split(LADDER, "b", "below"), LADDER);
});

test("a new band opens in any gap and an emptied band goes", () => {
  assert.deepEqual(tiers.insertBand(LADDER, "d", 0), [["d"], ["a"], ["b"], ["c"]]);
  assert.deepEqual(tiers.insertBand(LADDER, "a", 4), [["b"], ["c"], ["d"], ["a"]]);
  assert.deepEqual(tiers.insertBand([["a", "b"], ["c"]], "a", 1), [["b"], ["a"], ["c"]]);
});

test("a card put where it stands, or off the board, stays", () => {
  assert.deepEqual(tiers.insertBand(LADDER, "b", 1), LADDER);
  assert.deepEqual(tiers.insertBand(LADDER, "b", 2), LADDER);
  assert.equal(tiers.placeInBand(LADDER, "b", 1), LADDER);
  assert.equal(tiers.placeInBand(LADDER, "b", 9), LADDER);
});

test("the order inside a band means nothing", () => {
  assert.ok(tiers.sameOrder([["a", "b"], ["c"]], [["b", "a"], ["c"]]));
  assert.ok(!tiers.sameOrder([["a", "b"], ["c"]], [["a"], ["b"], ["c"]]));
});

test("a board is complete with every completion once", () => {
  assert.ok(tiers.isComplete([["b"], ["a"]], ["a", "b"]));
  assert.ok(!tiers.isComplete([["b"]], ["a", "b"]));
  assert.ok(!tiers.isComplete([["b", "a"], ["a"]], ["a", "b"]));
  assert.ok(!tiers.isComplete([["a", "b"], []], ["a", "b"]));
});

test("a card leaves the board and comes back at its lowest place", () => {
  const off = tiers.takeOff([["a"], ["b", "c"]], "b");
  assert.deepEqual([off, tiers.unranked(off, ["a", "b", "c"])], [[["a"], ["c"]], ["b"]]);
  assert.deepEqual(tiers.moveUp(off, "b"), [["a"], ["c"], ["b"]]);
  assert.deepEqual(tiers.moveDown(off, "b"), off);
  assert.deepEqual(tiers.placeInBand(off, "b", 0), [["a", "b"], ["c"]]);
});

test("ten thousand random moves lose no card, empty no band, and change no input", () => {
  const ids = ["a", "b", "c", "d", "e", "f"];
  const moves = [tiers.moveUp, tiers.moveDown, tiers.tieWithAbove, tiers.tieWithBelow];
  let seed = 7;
  const random = (/** @type {number} */ n) => (seed = (seed * 16807) % 2147483647) % n;
  let board = ids.map((id) => [id]);
  for (let step = 0; step < 10_000; step += 1) {
    const before = structuredClone(board);
    const id = ids[random(ids.length)];
    const kind = random(moves.length + 1);
    const after = kind < moves.length ? moves[kind](board, id) : tiers.insertBand(board, id, random(board.length + 1));
    assert.deepEqual(board, before);
    assert.ok(tiers.isComplete(after, ids));
    board = after;
  }
});
