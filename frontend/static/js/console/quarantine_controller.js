/**
 * Decides about a prompt that holds personal data, and goes on to the next one.
 *
 *   <div data-controller="quarantine" data-quarantine-url-value="/api/v1/prompts/7/"
 *        data-quarantine-next-value="…">
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { refused } from "./refused.js";

export default class extends /** @type {Typed<{
  targets: {
    text: WithData<"part", HTMLTextAreaElement>, problem: HTMLElement, redact: HTMLButtonElement,
    sure: HTMLButtonElement, reason: HTMLInputElement,
  },
  values: {url: string, next: string},
  fields: {busy?: boolean},
}>} */ (Controller) {
  static targets = ["text", "problem", "redact", "sure", "reason"];
  static values = { url: String, next: String };

  redact() {
    return this.#do("redact/", { texts: this.#texts() });
  }

  /** Something personal is still found in it, and that is meant. */
  sure() {
    return this.#do("redact/", { texts: this.#texts(), sure: true });
  }

  /** @param {Event} event */
  release(event) {
    event.preventDefault();
    return this.#do("release/", { reason: this.reasonTarget.value });
  }

  drop() {
    return this.#do("drop/", {});
  }

  /** @param {string} act @param {object} body */
  async #do(act, body) {
    if (this.busy) return;
    this.busy = true;
    const answer = await call("POST", `${this.urlValue}${act}`, body).catch(() => null);
    this.busy = false;
    if (answer?.status === 200) {
      const { change } = answer.body;
      location.assign(`${this.nextValue}${change ? `?change=${change}` : ""}`);
      return;
    }
    this.problemTarget.textContent = refused(answer);
    this.problemTarget.hidden = false;
    this.sureTarget.hidden = !answer?.body?.found;
    if (act === "release/") this.reasonTarget.focus();
  }

  #texts() {
    return Object.fromEntries(this.textTargets.map((field) => [field.dataset.part, field.value]));
  }
}
