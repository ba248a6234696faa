/**
 * Shows a guideline as it will be read while it is written, keeps the text over a reload, and
 * publishes it.
 *
 *   <div data-controller="guideline-form" data-guideline-form-url-value="…" data-guideline-form-preview-value="…">
 *     <form data-action="guideline-form#publish input->guideline-form#changed">… </form>
 *     <div data-guideline-form-target="preview"></div>
 */
import { Controller } from "@hotwired/stimulus";

import { call, csrfToken } from "../api.js";
import { refused } from "./refused.js";

const PAUSE_MS = 400;

export default class extends /** @type {Typed<{
  targets: {
    kind: HTMLSelectElement, purpose: HTMLSelectElement, text: HTMLTextAreaElement,
    preview: HTMLElement, problem: HTMLElement, publish: HTMLButtonElement,
  },
  values: {url: string, preview: string},
  fields: {pause?: Timer},
}>} */ (Controller) {
  static targets = ["kind", "purpose", "text", "preview", "problem", "publish"];
  static values = { url: String, preview: String };

  connect() {
    const kept = sessionStorage.getItem(this.#place());
    if (kept) this.textTarget.value = kept;
    this.#show();
    // Before that a click would send the form by itself, and the text with the address.
    this.publishTarget.disabled = false;
  }

  disconnect() {
    clearTimeout(this.pause);
  }

  changed() {
    sessionStorage.setItem(this.#place(), this.textTarget.value);
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.#show(), PAUSE_MS);
  }

  /** @param {Event} event */
  async publish(event) {
    event.preventDefault();
    const said = { kind: this.kindTarget.value, purpose: this.purposeTarget.value, text: this.textTarget.value };
    const answer = await call("POST", this.urlValue, said).catch(() => null);
    if (answer?.status !== 201) {
      this.problemTarget.textContent = refused(answer);
      return;
    }
    sessionStorage.removeItem(this.#place());
    const { kind, purpose, version } = answer.body;
    location.assign(`/guidelines/${kind}/${purpose}/${version}/`);
  }

  async #show() {
    const said = { kind: this.kindTarget.value, purpose: this.purposeTarget.value, text: this.textTarget.value };
    const answer = await fetch(this.previewValue, {
      method: "POST",
      credentials: "same-origin",
      headers: { "X-CSRFToken": csrfToken() },
      body: new URLSearchParams(said),
    }).catch(() => null);
    // The server rendered it through the fence that all Markdown goes through.
    if (answer?.ok) this.previewTarget.innerHTML = await answer.text();
  }

  /** Where the text waits while nobody has published it. */
  #place() {
    return `guideline${location.search}`;
  }
}
