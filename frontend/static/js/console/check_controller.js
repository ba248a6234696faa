/**
 * Has a model checked by a worker and shows what is found as it is measured; adds what passed.
 * All of it lies on the server for a day; this only reads along, so a lost poll loses nothing.
 *
 *   <form data-controller="check" data-check-url-value="…" data-action="check#submit">
 *     <p data-check-target="problem"></p> <p data-check-target="state"></p> <ul data-check-target="findings"></ul>
 *     <button type="button" data-check-target="add" data-action="check#add" hidden>Add it</button>
 *   </form>
 *
 * @import { Answer } from "../api.js"
 * @typedef {{name: string, title: string, ok: boolean, says: string}} Finding
 * @typedef {{state: "waiting" | "loading" | "checking" | "passed" | "refused" | "failed",
 *   findings: Finding[], reason: string, version: number | null}} Progress
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { call } from "../api.js";
import { Follower, everyAnswer } from "../follow.js";
import { element } from "./elements.js";
import { body } from "./form_body.js";
import { refused } from "./refused.js";

const POLL_MS = 500;
const PATIENT_MS = 15_000;
/** @type {Partial<Record<Progress["state"], string>>} */
const STATES = { waiting: "Waits for a sampling worker.", loading: "Loading the model …", checking: "Checking …" };
const BUSY = "The sampling worker is busy with labelers' tasks, or none is running.";

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {
    button: HTMLButtonElement, add: HTMLButtonElement, problem: HTMLElement, state: HTMLElement,
    findings: HTMLElement, done: HTMLElement,
  },
  values: {url: string, version: number, done: string},
  fields: {check: {url: string}, adding: boolean, since: number, follower?: Follower<Answer>},
}>} */ (Controller) {
  static targets = ["button", "add", "problem", "state", "findings", "done"];
  static values = { url: String, version: Number, done: String };

  /** Until now a press of the button would have sent the bare form. */
  connect() {
    this.buttonTarget.disabled = false;
  }

  disconnect() {
    this.follower?.stop();
  }

  /** @param {Event} event */
  submit(event) {
    event.preventDefault();
    this.findingsTarget.replaceChildren();
    const asked = this.versionValue ? { version: this.versionValue } : body(this.element);
    return this.#send(this.urlValue, asked);
  }

  add() {
    return this.#send(this.check.url);
  }

  /** @param {string} url @param {object} [asked] */
  async #send(url, asked) {
    this.#busy(true);
    this.problemTarget.textContent = "";
    this.doneTarget.hidden = true;
    const answer = await call("POST", url, asked).catch(() => null);
    if (answer === null || answer.status > 299) {
      this.#busy(false);
      this.problemTarget.textContent = refused(answer);
      return;
    }
    this.follower?.stop();
    this.check = answer.body;
    this.adding = asked === undefined;
    this.since = Date.now();
    this.follower = new Follower({
      ask: () => call("GET", this.check.url),
      show: (told) => this.#told(told),
      say: (trouble) => (this.stateTarget.textContent = trouble),
      shows: everyAnswer,
    });
    this.follower.start();
  }

  /** @param {Answer} answer */
  #told(answer) {
    if (answer.status !== 200) {
      this.#busy(false);
      this.problemTarget.textContent = refused(answer);
      return null;
    }
    this.#show(answer.body);
    return this.#isOver(answer.body) ? null : POLL_MS;
  }

  /** A model that is being added has passed before. @param {Progress} progress */
  #isOver({ state, version }) {
    return this.adding && state === "passed" ? version !== null : !(state in STATES);
  }

  /** @param {Progress} progress */
  #show(progress) {
    const { state, findings, reason, version } = progress;
    const rows = this.findingsTarget;
    if (findings.length < rows.childElementCount) rows.replaceChildren();
    rows.append(...findings.slice(rows.childElementCount).map(row));
    const late = state === "waiting" && Date.now() - this.since > PATIENT_MS;
    this.stateTarget.textContent = late ? BUSY : (STATES[state] ?? "");
    if (!this.#isOver(progress)) return;
    this.#busy(false);
    const passed = state === "passed";
    this.problemTarget.textContent = passed ? "" : reason;
    this.addTarget.hidden = !passed || version !== null;
    const added = passed && version !== null;
    this.doneTarget.hidden = !passed;
    this.doneTarget.textContent = added ? this.doneValue : "All of it works. It can be policy and reward model.";
    announce(passed ? this.doneTarget.textContent : reason);
  }

  /** @param {boolean} is */
  #busy(is) {
    this.buttonTarget.disabled = is;
    this.addTarget.disabled = is;
    if (is) this.addTarget.hidden = true;
    else this.stateTarget.textContent = "";
  }
}

/** @param {Finding} finding */
function row({ title, ok, says }) {
  const mark = element("span", { class: ok ? "check-good" : "check-bad", "aria-hidden": "true" }, [ok ? "✓" : "✗"]);
  const word = element("span", { class: "visually-hidden" }, [ok ? "Works: " : "Does not work: "]);
  return element("li", {}, [mark, element("p", {}, [word, element("strong", {}, [`${title}. `]), says])]);
}
