/**
 * Step one: each completion in full, alone; its overall quality and its flags.
 *
 *   <section data-controller="rate">
 *     <article data-rate-target="completion" data-id="12">…</article>
 *     <button data-rate-target="overall" data-action="rate#rate" value="3">3</button>
 *     <button data-rate-target="flag" data-action="rate#toggle" value="hallucination">…</button>
 *     <button data-rate-target="chip" data-action="rate#pick" value="12">A</button>
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { _, say } from "../i18n.js";
import * as ranking from "../ranking_state.js";

export default class extends Controller {
  static targets = ["completion", "overall", "flag", "flags", "chip", "onward", "progress"];

  connect() {
    // On a phone the flags would cover what is to be read; there they open at a touch.
    this.flagsTarget.open = !matchMedia("(max-width: 560px)").matches;
  }

  rate({ currentTarget }) {
    const overall = Number(currentTarget.value);
    this.change((state) => ranking.rate(state, overall));
    window.scrollTo({ top: 0 });
  }

  toggle({ currentTarget }) {
    this.change((state) => ranking.toggleFlag(state, currentTarget.value));
  }

  pick({ currentTarget }) {
    this.change((state) => ranking.focusOn(state, currentTarget.value));
    window.scrollTo({ top: 0 });
  }

  previous() {
    this.change((state) => ranking.focusNext(state, -1));
  }

  next() {
    this.change((state) => ranking.focusNext(state, 1));
  }

  onward() {
    this.change((state) => ranking.go(state, "rank"));
  }

  change(change) {
    this.dispatch("update", { prefix: "ranking", detail: { change } });
  }

  show(state) {
    const { overall, flags } = state.ratings[state.current];
    for (const article of this.completionTargets) article.hidden = article.dataset.id !== state.current;
    for (const button of this.overallTargets) press(button, Number(button.value) === overall);
    for (const button of this.flagTargets) press(button, flags.includes(button.value));
    for (const chip of this.chipTargets) showChip(chip, state);
    this.onwardTarget.hidden = !ranking.allRated(state);
    if (state.step === "rate") this.tell(state);
  }

  /** Say which completion is in sight, when it is another one. */
  tell(state) {
    const done = state.ids.filter((id) => ranking.isRated(state, id)).length;
    this.progressTarget.textContent = say(_("%(done)s of %(all)s rated"), { done, all: state.ids.length });
    if (this.told && this.told !== state.current) {
      announce(this.completionTargets.find(({ hidden }) => !hidden).getAttribute("aria-label"));
    }
    this.told = state.current;
  }
}

/** @param {HTMLElement} button @param {boolean} on */
function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

/** @param {HTMLButtonElement} chip @param {ranking.State} state */
function showChip(chip, state) {
  const { overall } = state.ratings[chip.value];
  chip.setAttribute("aria-current", String(chip.value === state.current));
  chip.querySelector("[data-mark]").textContent = overall ? `${overall}/7` : "–";
  chip.title = overall ? "" : _("Not rated yet");
}
