/**
 * Asks several versions one prompt and shows their completions as the sampling worker writes them.
 * The answers lie on the server for an hour; this only reads along, so a lost poll loses nothing.
 *
 *   <div data-controller="playground" data-playground-url-value="…" data-playground-prompts-url-value="…">
 *     <form data-action="submit->playground#start"> <textarea data-playground-target="prompt"> …
 *     <div data-playground-target="parts"></div> <template data-playground-target="template">…
 *
 * @import { Answer } from "../api.js"
 * @typedef {{version: number, state: "waiting" | "writing" | "finished" | "failed", text: string,
 *   finish_reason: string, completion_tokens: number, logprob: number | null, latency_ms: number,
 *   engine: string, score: number | null, reason: string}} Part
 * @typedef {{url: string, seed: number}} Trial
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { call } from "../api.js";
import { slot, stamp } from "../find.js";
import { Follower, everyAnswer, sayIn } from "../follow.js";
import { number } from "./format.js";
import { refused } from "./refused.js";

const POLL_MS = 250;
const PATIENT_MS = 10_000;
const HOPELESS_MS = 125_000;
const MOST_VERSIONS = 4;
const STATES = { waiting: "Waiting", writing: "Writing", finished: "Finished", failed: "Failed" };
/** @type {Record<string, string>} */
const BADGES = { finished: "badge-good", failed: "badge-bad" };
/** @type {Record<string, string>} */
const ENDS = { stop: "ended by itself", length: "cut at the limit", content_filter: "stopped by a filter" };

export default class extends /** @type {Typed<{
  targets: {
    prompt: HTMLTextAreaElement, version: WithData<"name", HTMLInputElement>, tokens: HTMLInputElement,
    temperature: HTMLInputElement, seed: HTMLInputElement, ask: HTMLButtonElement,
    send: HTMLButtonElement, sent: HTMLElement, problem: HTMLElement, notice: HTMLElement,
    parts: HTMLElement, template: HTMLTemplateElement,
  },
  values: {url: string, promptsUrl: string},
  fields: {
    follower?: Follower<Answer>, trial: Trial, since: number, columns: Map<number, HTMLElement>,
  },
}>} */ (Controller) {
  static targets = ["prompt", "version", "tokens", "temperature", "seed", "ask", "send", "sent", "problem", "notice", "parts", "template"];
  static values = { url: String, promptsUrl: String };

  disconnect() {
    this.follower?.stop();
  }

  change() {
    this.problemTarget.textContent = "";
    this.sentTarget.textContent = "";
    this.sendTarget.disabled = false;
  }

  /** @param {Event} event */
  async start(event) {
    event.preventDefault();
    const chosen = this.versionTargets.filter((box) => box.checked);
    const refusal = this.#refusal(chosen);
    this.problemTarget.textContent = refusal;
    if (refusal) return;
    this.askTarget.disabled = true;
    const answer = await call("POST", this.urlValue, this.#trial(chosen)).catch(() => null);
    this.askTarget.disabled = false;
    if (answer?.status === 201) this.#follow(answer.body, chosen);
    else this.problemTarget.textContent = refused(answer);
  }

  async send() {
    const text = this.promptTarget.value;
    if (!text.trim()) return this.#missing();
    this.sendTarget.disabled = true;
    const answer = await call("POST", this.promptsUrlValue, { prompt: text }).catch(() => null);
    this.sendTarget.disabled = answer?.status === 201;
    if (answer?.status === 201) this.sentTarget.textContent = outcome(answer.body);
    else this.problemTarget.textContent = refused(answer);
    return undefined;
  }

  #missing() {
    this.problemTarget.textContent = "Write a prompt first.";
    this.promptTarget.focus();
  }

  /** @param {HTMLInputElement[]} chosen @returns {string} why this cannot be asked, or nothing */
  #refusal(chosen) {
    if (!this.promptTarget.value.trim()) return "Write a prompt first.";
    if (chosen.length < 1) return "Tick at least one version.";
    if (chosen.length > MOST_VERSIONS) return `Tick at most ${MOST_VERSIONS} versions.`;
    return "";
  }

  /** @param {HTMLInputElement[]} chosen */
  #trial(chosen) {
    const trial = {
      messages: [{ role: "user", content: this.promptTarget.value }],
      versions: chosen.map((box) => Number(box.value)),
      max_new_tokens: this.tokensTarget.valueAsNumber,
      temperature: this.temperatureTarget.valueAsNumber,
    };
    return this.seedTarget.value ? { ...trial, seed: this.seedTarget.valueAsNumber } : trial;
  }

  /** @param {Trial} trial @param {WithData<"name", HTMLInputElement>[]} chosen */
  #follow(trial, chosen) {
    this.follower?.stop();
    this.trial = trial;
    this.since = Date.now();
    this.columns = new Map(chosen.map((box) => [Number(box.value), this.#column(box.dataset.name)]));
    this.partsTarget.replaceChildren(...this.columns.values());
    this.follower = new Follower({
      ask: () => call("GET", trial.url),
      show: (told) => this.#told(told),
      say: sayIn(this.noticeTarget),
      shows: everyAnswer,
    });
    this.follower.start();
  }

  /** @param {string} name */
  #column(name) {
    const column = stamp(this.templateTarget);
    slot(column, "name").textContent = name;
    slot(column, "text").setAttribute("aria-label", `Completion of ${name}`);
    return column;
  }

  /** @param {Answer} answer */
  #told(answer) {
    if (answer.status !== 200) {
      this.problemTarget.textContent = refused(answer);
      return null;
    }
    /** @type {Part[]} */
    const parts = answer.body;
    for (const part of parts) this.#show(part);
    this.#notice(parts);
    if (!parts.every(isOver)) return POLL_MS;
    announce("All completions are there.");
    return null;
  }

  /** @param {Part} part */
  #show(part) {
    const column = this.columns.get(part.version);
    if (!column) return;
    const badge = slot(column, "state");
    badge.textContent = STATES[part.state];
    badge.className = `badge ${BADGES[part.state] ?? ""}`;
    slot(column, "text").textContent = part.text;
    slot(column, "scored").hidden = part.score === null;
    slot(column, "score").textContent = number(part.score);
    slot(column, "reason").textContent = part.state === "failed" ? part.reason : "";
    slot(column, "facts").textContent = part.state === "finished" ? this.#facts(part) : "";
  }

  /** @param {Part} part */
  #facts(part) {
    const facts = [
      `${number(part.completion_tokens)} tokens, ${ENDS[part.finish_reason] ?? part.finish_reason}`,
      `${number(part.latency_ms / 1000)} s`,
      part.logprob === null ? "" : `log-probability ${number(part.logprob)} nats`,
      `seed ${this.trial.seed}`,
      part.engine,
      part.score === null ? part.reason : "",
    ];
    return facts.filter(Boolean).join(" · ");
  }

  /** What to say while nothing comes. @param {Part[]} parts */
  #notice(parts) {
    const waited = Date.now() - this.since;
    const waiting = parts.every((part) => part.state === "waiting");
    let words = "";
    if (waiting && waited > PATIENT_MS) words = "The sampling worker is busy with labelers' tasks, which go first, or loads a model.";
    if (waiting && waited > HOPELESS_MS) words = "No sampling worker took this up. Is one running? Ask again when it is.";
    this.noticeTarget.textContent = words;
    this.noticeTarget.hidden = !words;
  }
}

/** @param {Part} part */
function isOver(part) {
  return part.state === "finished" || part.state === "failed";
}

/** @param {{added: number, duplicates: number, near_duplicates: number}} added */
function outcome(added) {
  if (added.added) return "It is in the queue.";
  if (added.duplicates || added.near_duplicates) return "It is there already.";
  return "It was not added: you have sent as many prompts as one author may.";
}
