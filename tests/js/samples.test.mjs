// Decoded prompts become turns, and answers to one prompt stand together.
import assert from "node:assert/strict";
import { test } from "node:test";

import { acrossSteps, byPrompt, lastWords, turns } from "../../frontend/static/js/console/samples.js";

test("the turns of a prompt whose template left only the roles", () => {
  const said = turns("system\nYou are helpful.\nuser\nA poem.\n\nAbout rain.\nassistant\n");
  assert.deepEqual(said, [
    { role: "system", text: "You are helpful." },
    { role: "user", text: "A poem.\n\nAbout rain." },
  ]);
  assert.equal(lastWords(said), "About rain.");
});

test("the plain turns of a model without a template, and a prompt without any", () => {
  assert.deepEqual(turns("### User\nHello\n\n### Assistant\n"), [{ role: "user", text: "Hello" }]);
  assert.deepEqual(turns("Hello\nthere"), [{ role: "user", text: "Hello\nthere" }]);
  assert.equal(lastWords(turns("")), "Empty prompt");
});

test("neighbouring answers to one prompt stand together under their names", () => {
  const rows = [
    { prompt: "a", text: "New policy: x", score: 1 },
    { prompt: "a", text: "Baseline: y", score: null },
    { prompt: "b", text: "z", score: 2 },
  ];
  assert.deepEqual(byPrompt(rows), [
    { prompt: "a", answers: [{ who: "New policy", text: "x", score: 1 }, { who: "Baseline", text: "y", score: null }] },
    { prompt: "b", answers: [{ who: "Answer", text: "z", score: 2 }] },
  ]);
});

test("what was said at two steps stands side by side", () => {
  const at = (text) => [{ prompt: "Why?", text, score: 1 }];
  const [{ prompt, answers }] = acrossSteps([0, 4], [at("No."), at("Yes.")]);
  assert.equal(prompt, "Why?");
  assert.deepEqual(answers.map(({ who, text }) => [who, text]), [["Step 0", "No."], ["Step 4", "Yes."]]);
  const [{ answers: one }] = acrossSteps([4], [[{ prompt: "Why?", text: "New policy: Yes.", score: 1 }]]);
  assert.equal(one[0].who, "New policy");
});
