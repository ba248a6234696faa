/**
 * Erases a person once their name was typed again.
 *
 *   <form data-controller="erase" data-action="erase#submit" data-erase-url-value="…">
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { refused } from "./refused.js";

export default class extends /** @type {Typed<{
  element: Form<{person: HTMLInputElement, confirm: HTMLInputElement}>,
  targets: {problem: HTMLElement, button: HTMLButtonElement, ask: HTMLElement, done: HTMLElement},
  values: {url: string},
}>} */ (Controller) {
  static targets = ["problem", "button", "ask", "done"];
  static values = { url: String };

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    this.buttonTarget.disabled = true;
    const { person, confirm } = this.element.elements;
    const answer = await call("POST", this.urlValue, { person: person.value, confirm: confirm.value }).catch(() => null);
    this.buttonTarget.disabled = false;
    const erased = answer?.status === 200;
    this.askTarget.hidden = erased;
    this.doneTarget.hidden = !erased;
    if (erased) {
      this.doneTarget.focus();
      return;
    }
    this.problemTarget.textContent = refused(answer);
    this.problemTarget.hidden = false;
    confirm.setAttribute("aria-invalid", "true");
  }
}
