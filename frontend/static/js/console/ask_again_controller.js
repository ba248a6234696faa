/**
 * Sends chosen prompts into the queue again: counts them, asks, and says where to undo it.
 *
 *   <form data-controller="ask-again" data-action="ask-again#ask change->ask-again#count" data-ask-again-url-value="…">
 *     <input type="checkbox" name="prompts" value="3"> …
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { slot } from "../find.js";
import { refused } from "./refused.js";

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {
    all: HTMLInputElement, button: HTMLButtonElement, dialog: HTMLDialogElement,
    problem: HTMLElement, done: HTMLElement,
  },
  values: {url: string},
}>} */ (Controller) {
  static targets = ["all", "button", "dialog", "problem", "done"];
  static values = { url: String };

  count() {
    const count = this.#chosen().length;
    this.buttonTarget.disabled = count === 0;
    this.buttonTarget.textContent = count ? `Ask ${prompts(count)} again` : "Ask again";
  }

  all() {
    for (const box of this.#boxes()) box.checked = this.allTarget.checked;
    this.count();
  }

  /** @param {Event} event */
  ask(event) {
    event.preventDefault();
    slot(this.dialogTarget, "title").textContent = `Ask ${prompts(this.#chosen().length)} again?`;
    this.dialogTarget.showModal();
  }

  dismiss() {
    this.dialogTarget.close();
  }

  async send() {
    const answer = await call("POST", this.urlValue, { prompts: this.#chosen() }).catch(() => null);
    this.dialogTarget.close();
    const done = answer?.status === 200;
    this.problemTarget.hidden = done;
    this.doneTarget.hidden = !done;
    if (!done) {
      this.problemTarget.textContent = refused(answer);
      return;
    }
    slot(this.doneTarget, "words").textContent = `${prompts(answer.body.count)} will be asked again.`;
    slot(this.doneTarget, "change").setAttribute("href", `/admin/labeling/bulkchange/${answer.body.change}/change/`);
    for (const box of this.#boxes()) box.checked = false;
    this.count();
  }

  #boxes() {
    return [.../** @type {NodeListOf<HTMLInputElement>} */ (this.element.querySelectorAll('[name="prompts"]'))];
  }

  #chosen() {
    return this.#boxes().filter((box) => box.checked).map((box) => Number(box.value));
  }
}

/** @param {number} count */
function prompts(count) {
  return `${count} prompt${count === 1 ? "" : "s"}`;
}
