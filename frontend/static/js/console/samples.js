/**
 * What a model said, to be read: the prompt folded under its last words, the answers side by side.
 * Prompts come as decoded text in which only the names of the roles are left of the chat template.
 *
 * @typedef {{role: string, text: string}} Turn
 * @typedef {{prompt: string, text: string, score: number | null}} Row
 * @typedef {{who: string, text: string, score: number | null}} Answer
 * @module
 */
import { element } from "./elements.js";
import { number } from "./format.js";

const ROLE = /^(?:### )?(system|user|assistant)$/i;
const WHO = /^(New policy|Baseline): /;

/** The turns of a decoded prompt; text before any role is the user's, an empty turn is none.
 * @param {string} prompt @returns {Turn[]} */
export function turns(prompt) {
  const found = [{ role: "user", lines: /** @type {string[]} */ ([]) }];
  for (const line of prompt.split("\n")) {
    const role = ROLE.exec(line)?.[1].toLowerCase();
    if (role) found.push({ role, lines: [] });
    else found[found.length - 1].lines.push(line);
  }
  return found.map(({ role, lines }) => ({ role, text: lines.join("\n").trim() })).filter(({ text }) => text);
}

/** The last line the user wrote. @param {Turn[]} turns @returns {string} */
export function lastWords(turns) {
  const asked = turns.filter(({ role }) => role === "user").at(-1) ?? turns.at(-1);
  return asked?.text.split("\n").at(-1) ?? "Empty prompt";
}

/** Neighbouring rows of one prompt together, each answer with whose it is.
 * @param {Row[]} rows @returns {{prompt: string, answers: Answer[]}[]} */
export function byPrompt(rows) {
  const found = /** @type {{prompt: string, answers: Answer[]}[]} */ ([]);
  for (const { prompt, text, score } of rows) {
    if (found.at(-1)?.prompt !== prompt) found.push({ prompt, answers: [] });
    const who = WHO.exec(text)?.[1] ?? "Answer";
    found[found.length - 1].answers.push({ who, text: text.replace(WHO, ""), score });
  }
  return found;
}

/** What was said at some steps, prompt by prompt, each prompt's answers together.
 * @param {number[]} steps @param {Row[][]} rows of each step @returns {HTMLElement[]} */
export function sampleGroup(steps, rows) {
  return acrossSteps(steps, rows).map(sample);
}

/** The prompts of the last step with the answers of every step, each with whose it is and when.
 * @param {number[]} steps @param {Row[][]} rows @returns {{prompt: string, answers: Answer[]}[]} */
export function acrossSteps(steps, rows) {
  const said = rows.map(byPrompt);
  return (said.at(-1) ?? []).map(({ prompt }) => ({
    prompt,
    answers: said.flatMap((groups, place) =>
      (groups.find((group) => group.prompt === prompt)?.answers ?? []).map((answer) => ({ ...answer, who: whose(answer.who, steps[place], steps.length > 1) }))),
  }));
}

/** @param {string} who @param {number} step @param {boolean} several */
function whose(who, step, several) {
  if (who === "Answer") return `Step ${step}`;
  return several ? `${who}, step ${step}` : who;
}

/** @param {{prompt: string, answers: Answer[]}} said */
function sample({ prompt, answers }) {
  const said = turns(prompt);
  return element("article", { class: "sample" }, [
    element("details", { class: "asked" }, [element("summary", { dir: "auto" }, [lastWords(said)]), ...said.map(turn)]),
    element("div", { class: "answers" }, answers.map(answer)),
  ]);
}

/** @param {Turn} turn */
function turn({ role, text }) {
  return element("div", { class: "said" }, [element("p", { class: "who" }, [role]), element("p", { dir: "auto" }, [text])]);
}

/** @param {Answer} answer */
function answer({ who, text, score }) {
  const scored = score === null ? [] : [element("span", { class: "badge" }, [`Score ${number(score)}`])];
  return element("div", { class: "said" }, [element("p", { class: "who" }, [who, ...scored]), element("p", { dir: "auto" }, [text || "(nothing)"])]);
}
