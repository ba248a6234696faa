// A label reaches the server once it can, and an edited one never by itself.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { RETRY_MS } from "../../frontend/static/js/draft.js";
import { Submission } from "../../frontend/static/js/submission.js";

let answers;
let sent;
let told;
let timers;
let submission;
beforeEach(() => {
  [answers, sent, told, timers] = [[], [], [], []];
  submission = new Submission({
    send: async (label) => {
      sent.push(label);
      const answer = answers.shift() ?? { status: 201, body: null };
      if (answer instanceof Error) throw answer;
      return answer;
    },
    tell: (answer) => told.push(answer?.status ?? null),
    later: (run, ms) => { const timer = { run, ms }; timers.push(timer); return timer; },
    forget: (timer) => { timers = timers.filter((other) => other !== timer); },
  });
});

async function ring() {
  const [timer] = timers.splice(0, 1);
  timer.run();
  await new Promise(setImmediate);
  return timer.ms;
}

test("without a server it tries again by itself, ever more slowly, with the same body", async () => {
  answers.push(new TypeError("no network"), { status: 503, body: null });
  await submission.submit({ text: "a" });
  assert.deepEqual([await ring(), await ring()], RETRY_MS.slice(0, 2));
  assert.deepEqual(sent, [{ text: "a" }, { text: "a" }, { text: "a" }]);
  assert.deepEqual([told, timers], [[null, null, 201], []]);
});

test("back online it goes out at once", async () => {
  answers.push(new TypeError("no network"));
  await submission.submit({ text: "a" });
  await submission.resume();
  assert.deepEqual([told, timers], [[null, 201], []]);
});

test("an edit calls it off until it is submitted again", async () => {
  answers.push(new TypeError("no network"));
  await submission.submit({ text: "a" });
  assert.equal(submission.drop(), true);
  await submission.resume();
  assert.deepEqual([sent.length, timers], [1, []]);
  assert.equal(submission.drop(), false);
  await submission.submit({ text: "ab" });
  assert.deepEqual(sent[1], { text: "ab" });
});

test("an edit while it is on its way calls off its retry", async () => {
  answers.push(new TypeError("no network"));
  const attempt = submission.submit({ text: "a" });
  submission.drop();
  await attempt;
  await submission.resume();
  assert.deepEqual([sent.length, timers], [1, []]);
});

test("logged out it waits for the login, refused for nobody", async () => {
  answers.push({ status: 401, body: null }, { status: 400, body: null });
  await submission.submit({ text: "a" });
  assert.deepEqual(timers, []);
  await submission.resume();
  await submission.resume();
  assert.deepEqual([told, timers], [[401, 400], []]);
});
