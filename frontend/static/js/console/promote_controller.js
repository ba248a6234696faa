/**
 * Sends a promotion, then goes back to the version's page.
 *
 *   <form data-controller="promote" data-action="promote#submit" data-promote-url-value="…">
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";

export default class extends Controller {
  static targets = ["problem"];
  static values = { url: String, back: String };

  async submit(event) {
    event.preventDefault();
    const { role, reason } = this.element.elements;
    const answer = await call("POST", this.urlValue, { role: role.value, reason: reason.value }).catch(() => null);
    if (answer?.status === 200) {
      location.assign(this.backValue);
      return;
    }
    this.problemTarget.textContent = answer ? problem(answer, "The promotion did not work.") : "The server cannot be reached. Try again in a moment.";
    this.problemTarget.hidden = false;
  }
}
