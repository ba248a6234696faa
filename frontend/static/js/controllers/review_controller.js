/**
 * Step three: the order in one glance, and in amber what contradicts itself, with a key to go back.
 * What contradicts itself is submitted at the second try, which confirms it.
 *
 *   <section data-controller="review" data-review-flags-value='{"hallucination": "Hallucination"}'>
 *     <div data-review-target="contradictions"></div> <div data-review-target="order"></div>
 *     <template><div data-review-target="card" data-id="12" data-letter="A">…</div></template>
 *
 * @import { Contradiction, Rating } from "../contradictions.js"
 * @import { Change, State } from "../ranking_state.js"
 * @typedef {WithData<"id" | "letter">} Card
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { band } from "../bands.js";
import { contradictions } from "../contradictions.js";
import { find } from "../find.js";
import { _, listed, ngettext, say } from "../i18n.js";
import * as ranking from "../ranking_state.js";

export default class extends /** @type {Typed<{
  targets: {
    contradictions: HTMLElement, order: HTMLElement, card: Card, question: HTMLElement,
  },
  values: {flags: Record<string, string>},
  fields: {cards: Map<string, Card>, unconfirmed: number},
}>} */ (Controller) {
  static targets = ["contradictions", "order", "card", "question"];
  static values = { flags: Object };

  initialize() {
    this.cards = new Map();
  }

  /** @param {Card} card */
  cardTargetConnected(card) {
    this.cards.set(card.dataset.id, card);
  }

  /** @param {string} id */
  card(id) {
    return /** @type {Card} */ (this.cards.get(id));
  }

  /** @param {State} state */
  show(state) {
    if (state.step !== "review") return;
    for (const [id, card] of this.cards) this.dress(card, state.ratings[id]);
    const tiers = ranking.tiersOf(state);
    this.orderTarget.replaceChildren(...tiers.map((ids, at) => band(ids.map((id) => this.card(id)), at)));
    const found = contradictions(tiers, state.ratings, state.touched);
    this.contradictionsTarget.replaceChildren(...found.map((one, at) => this.notice(one, at + 1, state)));
    this.ask("");
    this.unconfirmed = found.filter(({ ask }) => ask).length;
  }

  submit() {
    if (this.unconfirmed > 0) {
      this.ask(ngettext("One thing above contradicts itself. Submit once more if you mean it so.", "%(count)s things above contradict themselves. Submit once more if you mean it so.", this.unconfirmed));
      this.unconfirmed = 0;
      return;
    }
    this.ask("");
    this.dispatch("submit", { prefix: "ranking" });
  }

  /** @param {string} words */
  ask(words) {
    this.questionTarget.textContent = words;
    this.questionTarget.hidden = !words;
    if (words) announce(words);
  }

  /** @param {Card} card @param {Rating} rating */
  dress(card, { overall, flags }) {
    find(card, "[data-mark]", HTMLElement).textContent = `${overall}/7`;
    find(card, "[data-flags]", HTMLElement).textContent = flags.map((flag) => this.flagsValue[flag] ?? flag).join(" · ");
  }

  /** @param {Contradiction} contradiction @param {number} number @param {State} state */
  notice(contradiction, number, state) {
    const element = document.createElement("div");
    element.className = contradiction.ask ? "notice notice-warn row-apart" : "notice row-apart";
    const words = document.createElement("p");
    words.textContent = this.words(contradiction, state);
    element.append(words, this.back(contradiction, number));
    return element;
  }

  /** @param {Contradiction} contradiction @param {number} number */
  back({ ids, step }, number) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.setAttribute("aria-keyshortcuts", String(number));
    button.textContent = _("Look again");
    button.append(Object.assign(document.createElement("kbd"), { textContent: String(number) }));
    button.addEventListener("click", () => this.goBack(step, ids[0]));
    return button;
  }

  /** @param {State["step"]} step @param {string} id */
  goBack(step, id) {
    /** @type {Change} */
    const change = (state) => ranking.focusOn(ranking.go(state, step), id);
    this.dispatch("update", { prefix: "ranking", detail: { change } });
  }

  /** @param {Contradiction} contradiction @param {State} state @returns {string} */
  words({ kind, ids }, { ratings }) {
    const [a, ...others] = ids.map((id) => `${this.card(id).dataset.letter} (${ratings[id].overall}/7)`);
    if (kind === "inverted") return say(_("%(a)s stands above %(others)s."), { a, others: listed(others) });
    if (kind === "failing_first") return say(_("%(a)s stands first, yet is flagged as failing the task."), { a });
    if (kind === "all_tied") return _("All stand tied, as your equal ratings put them, and nothing was moved.");
    return _("You moved nothing: this is the order of your ratings.");
  }
}
