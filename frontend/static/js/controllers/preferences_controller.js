/**
 * Theme, reading face, text size, whether a rating moves on: kept on this computer.
 *
 *   <fieldset data-controller="preferences" data-preferences-name-value="face">
 *     <button aria-pressed="false" value="serif"
 *             data-preferences-target="choice" data-action="preferences#choose">Serif</button>
 */
import { Controller } from "@hotwired/stimulus";

export default class extends /** @type {Typed<{
  element: HTMLFieldSetElement,
  targets: {choice: HTMLButtonElement},
  values: {name: string},
}>} */ (Controller) {
  static targets = ["choice"];
  static values = { name: String };

  connect() {
    this.show();
  }

  /** @param {On<HTMLButtonElement>} event */
  choose({ currentTarget }) {
    const { value } = currentTarget;
    if (value) document.documentElement.dataset[this.nameValue] = value;
    else delete document.documentElement.dataset[this.nameValue];
    localStorage.setItem(`reading:${this.nameValue}`, value);
    this.show();
  }

  show() {
    const chosen = document.documentElement.dataset[this.nameValue] ?? "";
    for (const choice of this.choiceTargets) choice.setAttribute("aria-pressed", String(choice.value === chosen));
  }
}
