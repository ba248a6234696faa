// What a page follows is asked for until it is over: less often without an answer, not while hidden.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Follower, LOGGED_OUT } from "../../frontend/static/js/follow.js";

let answers;
let [asked, shown, said, timers] = [0, [], [], []];
let page;
let follower;
beforeEach(() => {
  [answers, asked, shown, said, timers] = [[], 0, [], [], []];
  page = Object.assign(new EventTarget(), { hidden: false });
  follower = followerOf({});
});

function followerOf(more) {
  return new Follower(
    {
      ask: async () => {
        asked += 1;
        const answer = await answers.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      },
      show: ({ body }) => { shown.push(body); return body === "over" ? null : 500; },
      say: (trouble) => said.push(trouble),
      ...more,
    },
    {
      page,
      later: (run, ms) => timers.push({ run, ms }),
      forget: (timer) => { if (timer) timers[timer - 1].run = () => assert.fail("a forgotten timer ran"); },
    },
  );
}

const ok = (body) => ({ status: 200, body });
const lost = () => new TypeError("no network");
const due = () => timers.at(-1).run();
const waits = () => timers.map(({ ms }) => ms);
const turn = (hidden) => { page.hidden = hidden; page.dispatchEvent(new Event("visibilitychange")); return new Promise(setImmediate); };

test("it is asked again after what was shown says, until it is over", async () => {
  answers.push(ok("begun"), ok("over"));
  await follower.start();
  await due();
  await turn(true);
  await turn(false);
  assert.deepEqual([shown, waits(), asked, said], [["begun", "over"], [500], 2, []]);
});

test("without an answer it is asked less and less often, and at the first pace when there is one", async () => {
  answers.push(...Array.from({ length: 7 }, lost), ok("back"), lost());
  await follower.start();
  for (let time = 0; time < 8; time += 1) await due();
  assert.deepEqual(waits(), [2000, 4000, 8000, 16000, 32000, 60000, 60000, 500, 2000]);
  assert.match(said[0], /tries again in 2 s/);
  assert.deepEqual([said[6], shown], ["", ["back"]]);
});

test("a session that is over is said once, and following goes on after it", async () => {
  answers.push({ status: 401 }, { status: 401 }, { status: 401 }, ok("back"));
  await follower.start();
  for (let time = 0; time < 3; time += 1) await due();
  assert.deepEqual([said, shown], [[LOGGED_OUT, ""], ["back"]]);
});

test("a server's failure is no answer, and a page says which answers it shows", async () => {
  answers.push({ status: 500 }, { status: 404, body: "none yet" });
  await follower.start();
  follower.stop();
  const other = followerOf({ shows: (status) => status === 404 });
  await other.start();
  assert.deepEqual([said.length, shown], [1, ["none yet"]]);
});

test("a hidden page does not ask, and asks at once when it is seen again", async () => {
  answers.push(ok("begun"), ok("seen"));
  await follower.start();
  await turn(true);
  await due();
  assert.equal(asked, 1);
  await turn(false);
  assert.deepEqual([asked, shown], [2, ["begun", "seen"]]);
});

test("a page that opens hidden waits to be seen", async () => {
  answers.push(ok("seen"));
  page.hidden = true;
  await follower.start();
  assert.equal(asked, 0);
  await turn(false);
  assert.deepEqual(shown, ["seen"]);
});

test("an answer to a follower that was stopped, or asked anew, is dropped", async () => {
  let give;
  answers.push(new Promise((resolve) => { give = resolve; }), ok("new"), ok("late"));
  const first = follower.start();
  await follower.now();
  give(ok("old"));
  await first;
  const last = follower.now();
  follower.stop();
  await last;
  assert.deepEqual([shown, timers.length], [["new"], 1]);
});
