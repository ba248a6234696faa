// The page of the next task is fetched once, kept while the server keeps the task, and given up with it.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PageAhead } from "../../frontend/static/js/page_ahead.js";

let answers;
let fetched;
let ahead;
beforeEach(() => {
  [answers, fetched] = [[], []];
  ahead = new PageAhead({
    reserve: async () => {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
    fetch: async (id) => { fetched.push(id); return { page: id }; },
  });
});

const reserved = (id) => ({ status: 200, body: { id } });

test("one page is fetched for a task that stays the same", async () => {
  answers.push(reserved(7), reserved(7));
  await ahead.prepare();
  await ahead.prepare();
  assert.deepEqual([fetched, ahead.take(7)], [[7], { page: 7 }]);
});

test("it is taken only for the task with which the server goes on", async () => {
  answers.push(reserved(7));
  await ahead.prepare();
  assert.deepEqual([ahead.take(8), ahead.take(null), ahead.take(undefined)], [null, null, null]);
});

test("nothing was fetched, nothing is taken", () => {
  assert.equal(ahead.take(null), null);
});

test("a task that is no longer to be had is given up", async () => {
  answers.push(reserved(7), { status: 204, body: null });
  await ahead.prepare();
  await ahead.prepare();
  assert.deepEqual([ahead.id, ahead.take(7)], [null, null]);
});

test("without a server what was fetched stays, and the server decides at the end", async () => {
  answers.push(reserved(7), new TypeError("no network"));
  await ahead.prepare();
  await ahead.prepare();
  assert.deepEqual(ahead.take(7), { page: 7 });
});

test("a page that did not come leaves no id behind", async () => {
  answers.push(reserved(7), reserved(7));
  ahead.outside.fetch = async () => null;
  await ahead.prepare();
  assert.equal(ahead.id, null);
  ahead.outside.fetch = async () => { throw new TypeError("no network"); };
  await ahead.prepare();
  assert.equal(ahead.id, null);
});

test("asked anew, the same task's page is fetched again; without one nothing is", async () => {
  await ahead.renew();
  answers.push(reserved(7), reserved(7));
  await ahead.prepare();
  await ahead.renew();
  assert.deepEqual([fetched, ahead.id], [[7, 7], 7]);
});
