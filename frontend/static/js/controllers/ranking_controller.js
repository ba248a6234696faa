/**
 * The ranking page: holds its state, shows the step it is in, and tells the assignment of changes.
 * The steps inside say "ranking:update" with a function from state to state.
 *
 *   <div data-controller="ranking" data-action="ranking:update->ranking#update">
 *     <button data-ranking-target="tab" data-step="rank" data-action="ranking#go">Rank</button>
 *     <section data-ranking-target="step" data-step="rank" data-controller="board" hidden>
 *
 * @import { default as RateController } from "./rate_controller.js"
 * @import { default as BoardController } from "./board_controller.js"
 * @import { default as ReaderController } from "./reader_controller.js"
 * @import { default as ReviewController } from "./review_controller.js"
 * @import { Change, State } from "../ranking_state.js"
 * @typedef {HTMLButtonElement & {readonly dataset: {step: State["step"]}}} Tab
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { beginAt } from "../begin.js";
import * as ranking from "../ranking_state.js";

export default class extends /** @type {Typed<{
  targets: {tab: Tab, step: WithData<"step">, completion: WithData<"id">},
  outlets: {rate: RateController, board: BoardController, reader: ReaderController, review: ReviewController},
  fields: {state: State},
}>} */ (Controller) {
  static targets = ["tab", "step", "completion"];
  static outlets = ["rate", "board", "reader", "review"];

  connect() {
    this.dispatch("ready", { prefix: "work", detail: { load: (/** @type {object} */ draft) => this.load(draft) } });
    if (this.state.step !== "rank") beginAt(this.shown());
  }

  /** @param {object} draft */
  load(draft) {
    const ids = this.completionTargets.map(({ dataset }) => dataset.id);
    this.state = ranking.fromDraft(ids, draft);
    this.show();
  }

  /** @param {{detail: {change: Change}}} event */
  update({ detail: { change } }) {
    const before = this.state;
    this.state = change(before);
    if (this.state === before) return;
    this.dispatch("change", { prefix: "work", detail: { draft: ranking.toDraft(this.state) } });
    this.show();
    if (this.state.step !== before.step) this.enter();
  }

  /** @param {On<Tab>} event */
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

  /** @param {Tab} tab */
  showTab(tab) {
    const { step } = tab.dataset;
    if (step === this.state.step) tab.setAttribute("aria-current", "step");
    else tab.removeAttribute("aria-current");
    tab.disabled = !this.isOpen(step);
  }

  /** @param {State["step"]} step */
  isOpen(step) {
    if (step === "rate") return true;
    return step === "rank" ? ranking.allRated(this.state) : ranking.isRanked(this.state);
  }

  /** A step has come into sight: its heading is read out, the board takes the focus. */
  enter() {
    const step = this.shown();
    announce(step.getAttribute("aria-label") ?? "");
    if (this.state.step === "rank") this.boardOutlet.focus();
    else step.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }

  shown() {
    return /** @type {HTMLElement} */ (this.stepTargets.find(({ hidden }) => !hidden));
  }

  /** @param {RateController} outlet */
  rateOutletConnected(outlet) { this.catchUp(outlet); }

  /** @param {BoardController} outlet */
  boardOutletConnected(outlet) {
    this.catchUp(outlet);
    if (this.state?.step === "rank") outlet.focus();
  }

  /** @param {ReaderController} outlet */
  readerOutletConnected(outlet) { this.catchUp(outlet); }

  /** @param {ReviewController} outlet */
  reviewOutletConnected(outlet) { this.catchUp(outlet); }

  /** @param {{show: (state: State) => void}} outlet */
  catchUp(outlet) {
    if (this.state) outlet.show(this.state);
  }
}
