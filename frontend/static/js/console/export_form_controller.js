/**
 * Sends the form that asks for an export, then goes to the page that follows it.
 *
 *   <form data-controller="export-form" data-action="export-form#submit"
 *         data-export-form-url-value="…" data-export-form-page-value="…">
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { refused } from "./refused.js";

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {problem: HTMLElement, button: HTMLButtonElement},
  values: {url: string, page: string},
}>} */ (Controller) {
  static targets = ["problem", "button"];
  static values = { url: String, page: String };

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    this.buttonTarget.disabled = true;
    const answer = await call("POST", this.urlValue, this.body()).catch(() => null);
    this.buttonTarget.disabled = false;
    if (answer?.status === 201) {
      location.assign(`${this.pageValue}${answer.body.id}/change/`);
      return;
    }
    this.problemTarget.textContent = refused(answer);
    this.problemTarget.hidden = false;
  }

  /** What and shape stand in one choice, `pairs:trl`; an empty filter is left out. */
  body() {
    const form = new FormData(this.element);
    const [what, format] = String(form.get("shape")).split(":");
    const filled = [...form].filter(([name, value]) => value !== "" && !["shape", "use_cases", "origins"].includes(name));
    return { what, format, ...Object.fromEntries(filled), use_cases: form.getAll("use_cases"), origins: form.getAll("origins") };
  }
}
