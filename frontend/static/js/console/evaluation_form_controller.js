/**
 * Sends the form that opens an evaluation, and shows how sure it would be while it is filled in.
 *
 *   <form data-controller="evaluation-form" data-action="evaluation-form#submit input->evaluation-form#plan">
 *     <tr data-evaluation-form-target="row" data-labels="labels_training" data-labelers="5"><td data-slot="power">…
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { slot } from "../find.js";
import { number } from "./format.js";
import { refused, UNREACHABLE } from "./refused.js";

const PAUSE_MS = 200;
const SHOWN = {
  half_width: (/** @type {number} */ value) => `± ${(100 * value).toFixed(1)}`,
  power: (/** @type {number} */ value) => `${(100 * value).toFixed(0)} %`,
  prompts_needed: (/** @type {number | null} */ value) => (value === null ? "more labelers" : number(value)),
  comparisons: number,
};

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {
    error: WithData<"for">, problem: HTMLElement, planProblem: HTMLElement, button: HTMLButtonElement,
    row: WithData<"labels" | "labelers">,
  },
  values: {url: string, planUrl: string, page: string},
  fields: {timer?: Timer},
}>} */ (Controller) {
  static targets = ["error", "problem", "planProblem", "button", "row"];
  static values = { url: String, planUrl: String, page: String };

  connect() {
    this.buttonTarget.disabled = false;
    this.#planNow();
  }

  disconnect() {
    clearTimeout(this.timer);
  }

  /** Ask for the plan once the fields have been left alone for a moment. */
  plan() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#planNow(), PAUSE_MS);
  }

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    this.buttonTarget.disabled = true;
    const answer = await call("POST", this.urlValue, this.#body()).catch(() => null);
    this.buttonTarget.disabled = false;
    if (answer?.status === 201) {
      location.assign(`${this.pageValue}${answer.body.id}/change/`);
      return;
    }
    for (const place of this.errorTargets) mark(place, answer?.body?.errors?.[place.dataset.for]);
    this.problemTarget.textContent = answer ? problem(answer, "The evaluation could not be started.") : UNREACHABLE;
    this.problemTarget.hidden = false;
  }

  #body() {
    const form = new FormData(this.element);
    const whole = (/** @type {string} */ name) => Number(String(form.get(name)).trim() || NaN);
    return {
      name: form.get("name"), split: form.get("split"), pairs: form.get("pairs"),
      ladder: form.getAll("ladder").map(Number), baseline: form.get("baseline") && Number(form.get("baseline")),
      prompts: whole("prompts"), labels_training: whole("labels_training"), labels_held_out: whole("labels_held_out"),
    };
  }

  async #planNow() {
    const answers = await Promise.all(this.rowTargets.map((row) => this.#planRow(row)));
    const wrong = answers.find((answer) => answer && answer.status >= 400);
    this.planProblemTarget.hidden = !wrong;
    this.planProblemTarget.textContent = wrong ? refused(wrong) : "";
  }

  /** @param {WithData<"labels" | "labelers">} row */
  async #planRow(row) {
    const form = new FormData(this.element);
    const labels = Number(form.get(row.dataset.labels));
    row.hidden = labels < 1;
    if (row.hidden) return null;
    const share = (/** @type {string} */ name) => String(Number(String(form.get(name)).replace(",", ".")) / 100);
    const asked = new URLSearchParams({
      versions: String(Math.max(2, form.getAll("ladder").length)), prompts: String(form.get("prompts")), labels: String(labels),
      pairs: String(form.get("pairs")), rate: share("rate"), power: share("power"),
      labelers: String(Math.max(1, Number(row.dataset.labelers))),
    });
    const answer = await call("GET", `${this.planUrlValue}?${asked}`).catch(() => null);
    for (const [name, show] of Object.entries(SHOWN)) {
      slot(row, name).textContent = answer?.status === 200 ? show(answer.body[name]) : "–";
    }
    return answer;
  }
}

/** @param {HTMLElement} place @param {string | string[] | undefined} error */
function mark(place, error) {
  place.hidden = !error;
  place.textContent = error ? [error].flat().join(" ") : "";
}
