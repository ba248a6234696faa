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
  assert.deepEqual([await ahead.take(7), fetched], [{ page: 7 }, [7]]);
});

test("a page on its way is waited for", async () => {
  answers.push(reserved(7));
  ahead.prepare();
  assert.deepEqual([await ahead.take(7), fetched], [{ page: 7 }, [7]]);
});

test("if the server goes on with another task, that one's page is fetched", async () => {
  answers.push(reserved(7));
  await ahead.prepare();
  assert.deepEqual([await ahead.take(8), fetched], [{ page: 8 }, [7, 8]]);
});

test("a task that is no longer to be had is given up", async () => {
  answers.push(reserved(7), { status: 204, body: null });
  await ahead.prepare();
  await ahead.prepare();
  assert.equal(ahead.id, null);
});

test("without a server what was fetched stays, and the server decides at the end", async () => {
  answers.push(reserved(7), new TypeError("no network"));
  await ahead.prepare();
  await ahead.prepare();
  assert.deepEqual(await ahead.take(7), { page: 7 });
});

test("a page that did not come leaves no id behind, and is not taken", async () => {
  answers.push(reserved(7), reserved(7));
  ahead.outside.fetch = async () => null;
  await ahead.prepare();
  assert.equal(ahead.id, null);
  ahead.outside.fetch = async () => { throw new TypeError("no network"); };
  await ahead.prepare();
  assert.deepEqual([ahead.id, await ahead.take(7)], [null, null]);
});

test("asked anew, the same task's page is fetched again; without one nothing is", async () => {
  await ahead.renew();
  answers.push(reserved(7), reserved(7));
  await ahead.prepare();
  await ahead.renew();
  assert.deepEqual([fetched, ahead.id], [[7, 7], 7]);
});
