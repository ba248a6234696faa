/**
 * A ranking written in the admin: a rank for each completion, equal ranks tied.
 *
 *   <form data-controller="adjudicate" data-action="adjudicate#submit" data-adjudicate-url-value="…">
 *     <input type="number" data-adjudicate-target="rank" data-completion="17">
 *     <p role="alert" data-adjudicate-target="error"></p>
 *   </form>
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";

const UNREACHABLE = "The server cannot be reached. Try again in a moment.";

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {rank: HTMLInputElement, error: HTMLElement},
  values: {url: string},
}>} */ (Controller) {
  static targets = ["rank", "error"];
  static values = { url: String };

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    const missing = this.rankTargets.find((input) => !input.value);
    if (missing) {
      this.errorTarget.textContent = "Give every completion a rank; 1 is best, equal ranks are a tie.";
      missing.focus();
      return;
    }
    const answer = await call("POST", this.urlValue, { tiers: tiersOf(this.rankTargets) }).catch(() => null);
    if (answer && answer.status < 400) location.reload();
    else this.errorTarget.textContent = answer ? problem(answer, "That did not work.") : UNREACHABLE;
  }
}

/** @param {HTMLInputElement[]} inputs @returns {number[][]} completion ids, best first */
function tiersOf(inputs) {
  const tiers = new Map();
  for (const input of inputs) {
    const rank = Number(input.value);
    tiers.set(rank, [...(tiers.get(rank) ?? []), Number(input.dataset.completion)]);
  }
  return [...tiers.keys()].sort((a, b) => a - b).map((rank) => tiers.get(rank));
}
