/**
 * Step one: each completion in full, alone; its overall quality and its flags. A rating moves on by
 * itself, unless its labeler has chosen to stay; for a moment flags still go to what was left.
 *
 *   <section data-controller="rate" data-action="keydown@document->rate#settle:capture">
 *     <article data-rate-target="completion" data-id="12">…</article>
 *     <button data-rate-target="overall" data-action="rate#rate" value="3">3</button>
 *     <button data-rate-target="flag" data-action="rate#toggle" value="hallucination">…</button>
 *     <p data-rate-target="owner"></p> whose flags they are
 *     <button data-rate-target="chip" data-action="rate#pick" value="12">A</button>
 *
 * @import { Left } from "../flag_owner.js"
 * @import { Change, State } from "../ranking_state.js"
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { nameOf } from "../completions.js";
import { find } from "../find.js";
import { GRACE_MS, goOn, leave, owner } from "../flag_owner.js";
import { _, listed, say } from "../i18n.js";
import { keyOf, keysOf } from "../shortcuts.js";
import * as ranking from "../ranking_state.js";

export default class extends /** @type {Typed<{
  targets: {
    completion: WithData<"id">, overall: HTMLButtonElement, flag: HTMLButtonElement,
    flags: HTMLDetailsElement, owner: HTMLElement, chip: HTMLButtonElement,
    onward: HTMLButtonElement, progress: HTMLElement,
  },
  fields: {state: State, left: Left | null, timer?: Timer, told?: string},
}>} */ (Controller) {
  static targets = ["completion", "overall", "flag", "flags", "owner", "chip", "onward", "progress"];

  initialize() {
    this.left = null;
  }

  connect() {
    // On a phone the flags would cover what is to be read; there they open at a touch.
    this.flagsTarget.open = !matchMedia("(max-width: 560px)").matches;
  }

  disconnect() {
    clearTimeout(this.timer);
  }

  /** @param {On<HTMLButtonElement>} event */
  rate({ currentTarget }) {
    const overall = Number(currentTarget.value);
    const rate = document.documentElement.dataset.afterRating === "stay" ? ranking.rateHere : ranking.rate;
    const before = this.state.current;
    this.move((state) => rate(state, overall));
    this.keepFlags(leave(before, this.state.current, Date.now()));
    // What was clicked would rate once more at Enter, which now leads on.
    if (document.activeElement === currentTarget && !this.onwardTarget.hidden) this.onwardTarget.focus();
  }

  /** @param {On<HTMLButtonElement>} event */
  toggle({ currentTarget }) {
    const now = Date.now();
    const id = owner(this.left, this.state.current, now);
    this.left = goOn(this.left, now); // before the flags are drawn anew
    this.change((state) => ranking.toggleFlag(state, currentTarget.value, id));
    this.keepFlags(this.left);
    const words = this.state.ratings[id].flags.includes(currentTarget.value) ? _("%(name)s: %(flag)s") : _("%(name)s: no longer %(flag)s");
    announce(say(words, { name: nameOf(id), flag: wordsOf(currentTarget) }));
  }

  /** @param {On<HTMLButtonElement>} event */
  pick({ currentTarget }) {
    this.move((state) => ranking.focusOn(state, currentTarget.value));
  }

  previous() {
    this.move((state) => ranking.focusNext(state, -1));
  }

  next() {
    this.move((state) => ranking.focusNext(state, 1));
  }

  onward() {
    this.move(ranking.onward);
  }

  /** Another key than a flag's: from now on flags belong to what is in sight. @param {KeyboardEvent} event */
  settle(event) {
    const key = keyOf(event);
    const isFlag = this.flagTargets.some((flag) => keysOf(flag).some((own) => own.toLowerCase() === key));
    if (!isFlag) this.keepFlags(null);
  }

  /** Another completion may come into sight, read from its beginning. @param {Change} change */
  move(change) {
    this.left = null;
    this.change(change);
    window.scrollTo({ top: 0 });
  }

  /** @param {Change} change */
  change(change) {
    this.dispatch("update", { prefix: "ranking", detail: { change } });
  }

  /** @param {Left | null} left whose the flags are for a moment */
  keepFlags(left) {
    clearTimeout(this.timer);
    if (!left && !this.left) return;
    this.left = left;
    if (left) this.timer = setTimeout(() => this.keepFlags(null), GRACE_MS);
    this.showFlags();
  }

  /** @param {State} state */
  show(state) {
    this.state = state;
    const { overall } = state.ratings[state.current];
    for (const article of this.completionTargets) article.hidden = article.dataset.id !== state.current;
    for (const button of this.overallTargets) press(button, Number(button.value) === overall);
    for (const chip of this.chipTargets) this.showChip(chip);
    this.onwardTarget.hidden = !ranking.isRated(state, state.current);
    const [rank, next] = /** @type {NodeListOf<HTMLElement>} */ (this.onwardTarget.querySelectorAll("[data-onward]"));
    rank.hidden = !ranking.allRated(state);
    next.hidden = !rank.hidden;
    this.showFlags();
    if (state.step === "rate") this.tell(state);
  }

  /** The flags of whom they belong to, and who that is. */
  showFlags() {
    const id = owner(this.left, this.state.current, Date.now());
    const { flags } = this.state.ratings[id];
    for (const button of this.flagTargets) press(button, flags.includes(button.value));
    this.ownerTarget.textContent = say(_("Flags of %(name)s"), { name: nameOf(id) });
    this.flagsTarget.classList.toggle("flags-left", id !== this.state.current);
  }

  /** @param {HTMLButtonElement} chip */
  showChip(chip) {
    const { overall, flags } = this.state.ratings[chip.value];
    const set = this.flagTargets.filter(({ value }) => flags.includes(value));
    chip.setAttribute("aria-current", String(chip.value === this.state.current));
    find(chip, "[data-mark]", HTMLElement).textContent = overall ? `${overall}/7` : "–";
    find(chip, "[data-flags]", HTMLElement).textContent = set.flatMap(keysOf).join(" ");
    chip.title = set.length > 0 ? listed(set.map(wordsOf)) : overall ? "" : _("Not rated yet");
  }

  /** Say which completion is in sight, when it is another one. @param {State} state */
  tell(state) {
    const done = state.ids.filter((id) => ranking.isRated(state, id)).length;
    this.progressTarget.textContent = say(_("%(done)s of %(all)s rated"), { done, all: state.ids.length });
    if (this.told && this.told !== state.current) {
      announce(nameOf(state.current));
    }
    this.told = state.current;
  }
}

/** @param {HTMLElement} button @param {boolean} on */
function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

/** A flag in words, without its key. @param {HTMLElement} flag */
function wordsOf(flag) {
  return flag.firstChild?.textContent?.trim() ?? "";
}
