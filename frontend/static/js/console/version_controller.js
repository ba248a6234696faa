/**
 * Sends a form about a model version to the API; a field's dots make the body's objects.
 *
 *   <form data-controller="version" data-version-url-value="…" data-action="version#submit">
 *     <input name="endpoint.model"> <p data-version-target="problem"></p> <p data-version-target="done" hidden></p>
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { body } from "./form_body.js";
import { refused } from "./refused.js";

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {problem: HTMLElement, done: HTMLElement},
  values: {url: string, method: "POST" | "PUT", done: string},
}>} */ (Controller) {
  static targets = ["problem", "done"];
  static values = { url: String, method: { type: String, default: "POST" }, done: String };

  /** @param {SubmitEvent} event */
  async submit(event) {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (event.submitter);
    button.disabled = true;
    const answer = await call(this.methodValue, this.urlValue, body(this.element)).catch(() => null);
    button.disabled = false;
    const good = answer !== null && answer.status < 300;
    this.problemTarget.textContent = good ? "" : refused(answer);
    this.doneTarget.textContent = good ? this.doneValue : "";
    this.doneTarget.hidden = !good;
    if (good) this.element.reset();
  }
}
