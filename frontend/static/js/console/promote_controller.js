/**
 * Sends a promotion, then shows the page anew: the version is promoted and the history has it.
 *
 *   <form data-controller="promote" data-action="promote#submit" data-promote-url-value="…">
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { UNREACHABLE } from "./refused.js";

export default class extends /** @type {Typed<{
  element: Form<{role: HTMLSelectElement, reason: HTMLTextAreaElement, whole?: HTMLInputElement}>,
  targets: {problem: HTMLElement, reason: HTMLElement},
  values: {url: string, roundUrl: string},
}>} */ (Controller) {
  static targets = ["problem", "reason"];
  static values = { url: String, roundUrl: String };

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    const { role, reason, whole } = this.element.elements;
    const url = whole?.checked && role.value === "policy" ? this.roundUrlValue : this.urlValue;
    const answer = await call("POST", url, { role: role.value, reason: reason.value }).catch(() => null);
    if (answer?.status === 200) {
      location.reload();
      return;
    }
    const wanted = answer?.body?.errors?.reason;
    this.reasonTarget.hidden = !wanted;
    this.reasonTarget.textContent = wanted ? [wanted].flat().join(" ") : "";
    reason.setAttribute("aria-invalid", String(Boolean(wanted)));
    if (wanted) reason.focus();
    this.problemTarget.hidden = Boolean(wanted);
    this.problemTarget.textContent = answer ? problem(answer, "The promotion did not work.") : UNREACHABLE;
  }
}
