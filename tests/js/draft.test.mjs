// Every way of losing a draft, tried without a browser.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { DraftKeeper, judge, QUIET_MS, RETRY_MS } from "../../frontend/static/js/draft.js";

/** A world with a clock that is moved by hand and a server whose answers are given. */
class World {
  constructor() {
    this.store = new Map();
    this.sent = [];
    this.states = [];
    this.answers = [];
    this.timers = [];
    this.time = 0;
  }

  outside() {
    return {
      send: (draft, version, last) => this.receive(draft, version, last),
      tell: (state) => this.states.push(state),
      storage: {
        getItem: (key) => this.store.get(key) ?? null,
        setItem: (key, value) => this.store.set(key, value),
        removeItem: (key) => this.store.delete(key),
      },
      key: "draft:1",
      later: (run, ms) => { const timer = { run, at: this.time + ms }; this.timers.push(timer); return timer; },
      forget: (timer) => { this.timers = this.timers.filter((other) => other !== timer); },
      now: () => this.time,
    };
  }

  receive(draft, version, last) {
    this.sent.push({ draft, version, last });
    const answer = this.answers.shift() ?? { status: 200, body: { draft_version: version + 1 } };
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }

  async pass(ms) {
    this.time += ms;
    const due = this.timers.filter(({ at }) => at <= this.time);
    this.timers = this.timers.filter(({ at }) => at > this.time);
    due.forEach(({ run }) => run());
    await new Promise(setImmediate);
  }

  copy() {
    return JSON.parse(this.store.get("draft:1") ?? "null");
  }
}

let world;
let keeper;
beforeEach(() => {
  world = new World();
  keeper = new DraftKeeper(3, world.outside());
});

test("an edit is kept here at once and on the server within a second", async () => {
  keeper.change({ text: "a" });
  assert.deepEqual(world.copy().draft, { text: "a" });
  await world.pass(QUIET_MS);
  assert.ok(QUIET_MS < 1000);
  assert.deepEqual(world.sent, [{ draft: { text: "a" }, version: 3, last: false }]);
  assert.equal(keeper.state, "saved");
  assert.equal(world.copy(), null);
});

test("one request is in flight and the newest edit wins", async () => {
  let answer;
  world.answers.push(new Promise((resolve) => { answer = resolve; }));
  keeper.change({ text: "a" });
  await world.pass(QUIET_MS);
  keeper.change({ text: "ab" });
  keeper.change({ text: "abc" });
  await world.pass(QUIET_MS);
  assert.equal(world.sent.length, 1);
  answer({ status: 200, body: { draft_version: 4 } });
  await world.pass(0);
  await world.pass(QUIET_MS);
  assert.deepEqual(world.sent[1], { draft: { text: "abc" }, version: 4, last: false });
  assert.equal(world.sent.length, 2);
  assert.equal(keeper.state, "saved");
});

test("typing without a pause still saves", async () => {
  for (let letter = 0; letter < 10; letter += 1) {
    keeper.change({ text: "x".repeat(letter) });
    await world.pass(QUIET_MS / 2);
  }
  assert.ok(world.sent.length >= 4);
});

test("offline it tries again, ever more slowly, and keeps the copy", async () => {
  world.answers.push(new TypeError("no network"), new TypeError("no network"));
  keeper.change({ text: "a" });
  await world.pass(QUIET_MS);
  assert.equal(keeper.state, "offline");
  assert.deepEqual(world.copy().draft, { text: "a" });
  await world.pass(RETRY_MS[0]);
  assert.equal(world.sent.length, 2);
  await world.pass(RETRY_MS[0]);
  assert.equal(world.sent.length, 2);
  await world.pass(RETRY_MS[1] - RETRY_MS[0]);
  assert.equal(keeper.state, "saved");
});

test("a server in trouble is waited for like a network", async () => {
  world.answers.push({ status: 503, body: null });
  keeper.change({ text: "a" });
  await world.pass(QUIET_MS);
  assert.equal(keeper.state, "offline");
  await keeper.resume();
  assert.equal(keeper.state, "saved");
});

test("another tab's newer draft stops this one until it is told to go on", async () => {
  world.answers.push({ status: 409, body: { draft_version: 9 } });
  keeper.change({ text: "mine" });
  await world.pass(QUIET_MS);
  assert.equal(keeper.state, "conflict");
  keeper.change({ text: "mine, longer" });
  await world.pass(60_000);
  assert.equal(world.sent.length, 1);
  assert.deepEqual(world.copy().draft, { text: "mine, longer" });
  await keeper.takeOver(9);
  assert.deepEqual(world.sent[1], { draft: { text: "mine, longer" }, version: 9, last: false });
  assert.equal(keeper.state, "saved");
});

test("our own draft, stored although its answer was lost, is no other tab", async () => {
  world.answers.push(new TypeError("answer lost"), { status: 409, body: { draft_version: 4, draft: { text: "a" } } });
  keeper.change({ text: "a" });
  await world.pass(QUIET_MS);
  keeper.change({ text: "ab" });
  await world.pass(RETRY_MS[0]);
  await world.pass(0);
  assert.ok(!world.states.includes("conflict"));
  assert.deepEqual(world.sent.at(-1), { draft: { text: "ab" }, version: 4, last: false });
  assert.equal(keeper.state, "saved");
});

test("a lost session waits for the login", async () => {
  world.answers.push({ status: 401, body: null });
  keeper.change({ text: "a" });
  await world.pass(QUIET_MS);
  assert.equal(keeper.state, "expired");
  await keeper.resume();
  assert.equal(keeper.state, "saved");
});

test("a task that has ended is no conflict of tabs", async () => {
  world.answers.push({ status: 409, body: { detail: "You released this task." } });
  keeper.change({ text: "a" });
  await world.pass(QUIET_MS);
  assert.equal(keeper.state, "refused");
  assert.deepEqual(world.copy().draft, { text: "a" });
});

test("leaving the page sends what is unsaved at once", async () => {
  keeper.change({ text: "a" });
  await keeper.flush({ last: true });
  assert.deepEqual(world.sent, [{ draft: { text: "a" }, version: 3, last: true }]);
});

test("what the server never got is found again", () => {
  keeper.change({ text: "a" });
  const next = new DraftKeeper(3, world.outside());
  assert.deepEqual(next.leftover(), { draft: { text: "a" }, version: 3, at: 0 });
});

test("a page made before the last save arrived goes on from what was saved", async () => {
  keeper.change({ ratings: 2 });
  await keeper.flush({ last: true });
  const copy = world.copy();
  assert.deepEqual(copy, { draft: { ratings: 2 }, version: 4, at: 0, saved: true });
  assert.equal(judge(copy, { draft: { ratings: 1 }, version: 3 }), "adopt");
  assert.equal(judge(copy, { draft: { ratings: 2 }, version: 4 }), "forget");
  assert.equal(judge(copy, { draft: { ratings: 7 }, version: 5 }), "forget"); // written elsewhere since
  const next = new DraftKeeper(3, world.outside());
  next.adopt(copy);
  next.change({ ratings: 3 });
  await world.pass(QUIET_MS);
  assert.deepEqual(world.sent.at(-1), { draft: { ratings: 3 }, version: 4, last: false });
});

test("an edit made while the one before was on its way follows on it, whoever's page comes", async () => {
  world.answers.push(new Promise(() => {}));
  keeper.change({ ratings: 1 });
  await world.pass(QUIET_MS);
  keeper.change({ ratings: 2 });
  const copy = world.copy();
  assert.deepEqual(copy.sent, { ratings: 1 });
  assert.equal(judge(copy, { draft: { ratings: 1 }, version: 4 }), "restore");
  assert.equal(judge(copy, { draft: {}, version: 3 }), "restore");
  assert.equal(judge({ ...copy, version: 5 }, { draft: {}, version: 3 }), "restore"); // an older page
  assert.equal(judge(copy, { draft: { ratings: 9 }, version: 4 }), "offer");
});

test("a page that was only hidden keeps no copy of what is saved", async () => {
  keeper.change({ text: "a" });
  await keeper.flush({ last: true });
  keeper.stay();
  assert.equal(world.copy(), null);
});

test("a broken copy is no copy", () => {
  world.store.set("draft:1", "{half");
  assert.equal(keeper.leftover(), null);
});

test("after the end nothing is kept or sent", async () => {
  keeper.change({ text: "a" });
  keeper.close();
  keeper.change({ text: "b" });
  await world.pass(60_000);
  assert.deepEqual([world.sent.length, world.copy(), keeper.state], [0, null, "closed"]);
});

test("while the label is on its way the last edit is not saved; when it does not arrive, it is", async () => {
  keeper.change({ text: "a" });
  keeper.rest();
  await world.pass(QUIET_MS);
  assert.deepEqual([world.sent, world.copy().draft], [[], { text: "a" }]);
  keeper.wake();
  await world.pass(0);
  assert.deepEqual([world.sent.length, keeper.state], [1, "saved"]);
  keeper.wake();
  await world.pass(QUIET_MS);
  assert.equal(world.sent.length, 1);
});
