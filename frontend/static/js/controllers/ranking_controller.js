/**
 * The ranking page: holds its state, shows the step it is in, and tells the assignment of changes.
 * The steps inside say "ranking:update" with a function from state to state.
 *
 *   <div data-controller="ranking" data-action="ranking:update->ranking#update">
 *     <button data-ranking-target="tab" data-step="rank" data-action="ranking#go">Rank</button>
 *     <section data-ranking-target="step" data-step="rank" data-controller="board" hidden>
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { beginAt } from "../begin.js";
import * as ranking from "../ranking_state.js";

export default class extends /** @type {Typed<{
  targets: {tab: HTMLButtonElement, step: HTMLElement, completion: HTMLElement},
}>} */ (Controller) {
  static targets = ["tab", "step", "completion"];
  static outlets = ["rate", "board", "reader", "review"];

  connect() {
    this.dispatch("ready", { prefix: "work", detail: { load: (draft) => this.load(draft) } });
    if (this.state.step !== "rank") beginAt(this.shown());
  }

  load(draft) {
    const ids = this.completionTargets.map(({ dataset }) => dataset.id);
    this.state = ranking.fromDraft(ids, draft);
    this.show();
  }

  update({ detail: { change } }) {
    const before = this.state;
    this.state = change(before);
    if (this.state === before) return;
    this.dispatch("change", { prefix: "work", detail: { draft: ranking.toDraft(this.state) } });
    this.show();
    if (this.state.step !== before.step) this.enter();
  }

  go({ currentTarget }) {
    const { step } = currentTarget.dataset;
    if (step === this.state.step) return this.enter(); // its keys work again
    return this.update({ detail: { change: (state) => ranking.go(state, step) } });
  }

  submit() {
    if (this.state.step !== "review") return;
    this.dispatch("submit", { prefix: "work", detail: { label: ranking.toLabel(this.state) } });
  }

  show() {
    if (ranking.allRated(this.state)) this.dispatch("near", { prefix: "work" });
    for (const step of this.stepTargets) step.hidden = step.dataset.step !== this.state.step;
    this.tabTargets.forEach((tab) => this.showTab(tab));
    this.element.dataset.step = this.state.step;
    for (const outlets of [this.rateOutlets, this.boardOutlets, this.readerOutlets, this.reviewOutlets]) {
      for (const outlet of outlets) outlet.show(this.state);
    }
  }

  showTab(tab) {
    const { step } = tab.dataset;
    if (step === this.state.step) tab.setAttribute("aria-current", "step");
    else tab.removeAttribute("aria-current");
    tab.disabled = !this.isOpen(step);
  }

  isOpen(step) {
    if (step === "rate") return true;
    return step === "rank" ? ranking.allRated(this.state) : ranking.isRanked(this.state);
  }

  /** A step has come into sight: its heading is read out, the board takes the focus. */
  enter() {
    const step = this.shown();
    announce(step.getAttribute("aria-label"));
    if (this.state.step === "rank") this.boardOutlet.focus();
    else step.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }

  shown() {
    return this.stepTargets.find(({ hidden }) => !hidden);
  }

  rateOutletConnected(outlet) { this.catchUp(outlet); }

  boardOutletConnected(outlet) {
    this.catchUp(outlet);
    if (this.state?.step === "rank") outlet.focus();
  }

  readerOutletConnected(outlet) { this.catchUp(outlet); }
  reviewOutletConnected(outlet) { this.catchUp(outlet); }

  catchUp(outlet) {
    if (this.state) outlet.show(this.state);
  }
}
