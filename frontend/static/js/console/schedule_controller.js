/**
 * Sends the form that adds a schedule, then goes to the list of schedules.
 *
 *   <form data-controller="schedule" data-action="schedule#submit change->schedule#choose"
 *         data-schedule-url-value="…" data-schedule-page-value="…">
 *     <input type="radio" name="kind" value="time"> <input type="radio" name="kind" value="rankings">
 *     <div data-schedule-target="kind" data-kind="time">…</div>
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { refused } from "./refused.js";

export default class extends /** @type {Typed<{
  element: Form<{
    recipe: HTMLSelectElement, kind: RadioNodeList, weekday: HTMLSelectElement, at: HTMLInputElement,
    after_rankings: HTMLInputElement,
  }>,
  targets: {kind: WithData<"kind">, problem: HTMLElement, button: HTMLButtonElement},
  values: {url: string, page: string},
}>} */ (Controller) {
  static targets = ["kind", "problem", "button"];
  static values = { url: String, page: String };

  connect() {
    this.choose();
  }

  /** Show the fields of the chosen kind alone. */
  choose() {
    for (const part of this.kindTargets) part.hidden = part.dataset.kind !== this.element.elements.kind.value;
  }

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    this.buttonTarget.disabled = true;
    const answer = await call("POST", this.urlValue, this.body()).catch(() => null);
    this.buttonTarget.disabled = false;
    if (answer?.status === 201) {
      location.assign(this.pageValue);
      return;
    }
    this.problemTarget.textContent = refused(answer);
    this.problemTarget.hidden = false;
  }

  body() {
    const { recipe, kind, weekday, at, after_rankings: rankings } = this.element.elements;
    const chosen = { recipe: Number(recipe.value) };
    if (kind.value === "rankings") return { ...chosen, after_rankings: rankings.value === "" ? null : Number(rankings.value) };
    return { ...chosen, weekday: weekday.value === "" ? null : Number(weekday.value), at: at.value || null };
  }
}
