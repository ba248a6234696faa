/**
 * Step two: the board of tiers. Keys press the toolbar's buttons, the mouse drags cards; both end
 * in the same calls to tiers.js, and the board is drawn anew from what they return.
 *
 *   <section data-controller="board" data-shortcut-scope>
 *     <button data-action="board#up" aria-keyshortcuts="ArrowUp">Raise</button>
 *     <div role="listbox" data-board-target="list"></div>
 *     <div hidden><div class="card" role="option" data-board-target="card" data-id="12">…</div></div>
 *
 * @import { Change, State } from "../ranking_state.js"
 * @typedef {WithData<"id" | "letter">} Card
 * @typedef {{clientX?: number, clientY?: number}} Point a touch has none
 * @typedef {import("sortablejs").SortableEvent & {item: Card, originalEvent: Point}} Dropped
 */
import { Controller } from "@hotwired/stimulus";
import Sortable from "sortablejs";

import { announce } from "../announce.js";
import { board } from "../bands.js";
import { textOf } from "../completions.js";
import { find } from "../find.js";
import { _, listed, ngettext, say } from "../i18n.js";
import * as ranking from "../ranking_state.js";
import * as tiers from "../tiers.js";

const MOTION_MS = 120;
const PLACES = "[data-band], [data-gap], [data-pool]";
const WHOLE = "board:whole"; // kept on this computer: whole texts on every card

export default class extends /** @type {Typed<{
  targets: {
    list: HTMLElement, card: Card, undo: HTMLButtonElement, redo: HTMLButtonElement,
    hold: HTMLButtonElement, open: HTMLButtonElement, openAll: HTMLButtonElement,
    left: HTMLElement, clear: HTMLButtonElement, confirm: HTMLElement,
  },
  fields: {
    cards: Map<string, Card>, sortables: Sortable[], whole: Set<string>, state: State,
    held: {id: string, before: tiers.Tiers} | null, drawn?: tiers.Tiers,
  },
}>} */ (Controller) {
  static targets = ["list", "card", "undo", "redo", "hold", "open", "openAll", "left", "clear", "confirm"];

  initialize() {
    this.cards = new Map();
    this.sortables = [];
    this.held = null;
    this.whole = new Set();
  }

  disconnect() {
    this.sortables.forEach((sortable) => sortable.destroy());
  }

  /** @param {Card} card */
  cardTargetConnected(card) {
    this.cards.set(card.dataset.id, card);
    if (localStorage.getItem(WHOLE)) this.whole.add(card.dataset.id);
  }

  up() { this.move(tiers.moveUp); }
  down() { this.move(tiers.moveDown); }
  top() { this.move((now, id) => tiers.insertBand(now, id, 0)); }
  bottom() { this.move((now, id) => tiers.insertBand(now, id, now.length)); }
  takeOff() { this.move(tiers.takeOff); }
  undo() { this.change(ranking.undo, _("Undone. ")); }
  redo() { this.change(ranking.redo, _("Done again. ")); }
  previous() { this.step(-1); }
  next() { this.step(1); }
  clear() { this.change((state) => ranking.arrange(state, []), _("All off the board. ")); }

  /** To the review, or to the first card that is not ranked yet. */
  onward() {
    this.change((state) => ranking.go(state, "review"));
    if (this.state.step !== "rank") return;
    this.focus();
    announce(this.leftTarget.textContent);
  }

  /** Click on a card, or its letter pressed. @param {On<Card>} event */
  pick({ currentTarget }) {
    this.select(currentTarget.dataset.id);
  }

  /** Tab has brought the focus to a card. @param {On<Card>} event */
  follow({ currentTarget }) {
    const { id } = currentTarget.dataset;
    if (id !== this.state.current) this.change((state) => ranking.focusOn(state, id), null);
  }

  /** The whole text on the chosen card, or only its beginning. */
  open() {
    const id = this.state.current;
    if (!this.whole.delete(id)) this.whole.add(id);
    this.draw(this.state);
  }

  /** The whole texts on all cards, and so on every board to come, or only their beginnings. */
  openAll() {
    const open = !this.areAllOpen();
    this.whole = new Set(open ? this.cards.keys() : []);
    if (open) localStorage.setItem(WHOLE, "1");
    else localStorage.removeItem(WHOLE);
    this.draw(this.state);
  }

  areAllOpen() {
    return this.whole.size === this.cards.size;
  }

  /** Space: pick the card up, or put it down where it is. */
  hold() {
    const id = this.state.current;
    const holding = this.held === null;
    this.held = holding ? { id, before: ranking.tiersOf(this.state) } : null;
    this.markHeld();
    const words = holding
      ? _("%(name)s picked up. Arrows move it, Space puts it down, Escape puts it back.")
      : _("%(name)s put down.");
    announce(`${say(words, { name: this.name(id) })} ${this.place(id)}`);
  }

  /** Escape: a card in hand goes back to where it was. */
  cancel() {
    if (!this.held) return;
    const { before } = this.held;
    this.held = null;
    this.change((state) => ranking.arrange(state, before), _("Put back. "));
    this.markHeld();
  }

  /** @param {(now: tiers.Tiers, id: string) => tiers.Tiers} how */
  move(how) {
    this.change((state) => ranking.arrange(state, how(ranking.tiersOf(state), state.current)), "");
  }

  /** @param {-1 | 1} by */
  step(by) {
    if (this.held) return;
    const order = [...ranking.tiersOf(this.state).flat(), ...ranking.pool(this.state)];
    const at = order.indexOf(this.state.current) + by;
    if (order[at]) this.select(order[at]);
  }

  /** @param {string} id */
  select(id) {
    this.change((state) => ranking.focusOn(state, id), null);
    this.focus();
  }

  /** Pass a change on; `words` then come before the place of the card, null says nothing.
   * @param {Change} change @param {string | null} [words] */
  change(change, words = null) {
    const inside = this.element.contains(document.activeElement);
    const onCard = document.activeElement?.getAttribute("role") === "option";
    this.dispatch("update", { prefix: "ranking", detail: { change } });
    if (this.state.step !== "rank") return;
    // A button that has just become useless would take the focus with it.
    if (onCard || !inside || document.activeElement?.matches(":disabled")) this.focus();
    if (words !== null) announce(words + this.place(this.state.current));
  }

  /** @param {Dropped} event */
  drop({ item, to, originalEvent }) {
    const { id } = item.dataset;
    const { gap, band, pool } = (this.placeUnder(originalEvent) ?? to).dataset;
    this.dragging(false);
    // Sortable is still at work on these elements; the board is drawn when it has finished.
    setTimeout(() => {
      this.lay(this.state);
      this.change((state) => ranking.focusOn(state, id));
      this.move((now) => {
        if (pool !== undefined) return tiers.takeOff(now, id);
        return gap ? tiers.insertBand(now, id, Number(gap)) : tiers.placeInBand(now, id, Number(band));
      });
      this.focus();
    });
  }

  /** A fast hand lets go before Sortable has followed it. @param {Point} point */
  placeUnder({ clientX, clientY }) {
    const under = clientX === undefined || clientY === undefined ? [] : document.elementsFromPoint(clientX, clientY);
    const place = under.filter((one) => this.listTarget.contains(one)).find((one) => one.matches(PLACES));
    return /** @type {HTMLElement | undefined} */ (place);
  }

  /** @param {boolean} on */
  dragging(on) {
    this.listTarget.classList.toggle("is-dragging", on);
  }

  /** @param {State} state */
  show(state) {
    this.state = state;
    if (state.step === "rank") this.draw(state);
    else this.held = null;
  }

  /** @param {State} state */
  draw(state) {
    for (const [id, card] of this.cards) this.dress(card, state, id);
    // A press on a card only gives it the focus; taking the board apart then would end the drag.
    if (this.drawn !== ranking.tiersOf(state)) this.lay(state);
    this.undoTarget.disabled = !state.board?.past.length;
    this.redoTarget.disabled = !state.board?.future.length;
    this.openTarget.setAttribute("aria-pressed", String(this.whole.has(state.current)));
    this.openAllTarget.setAttribute("aria-pressed", String(this.areAllOpen()));
    this.tellLeft(state);
    this.markHeld();
  }

  /** What is still to be ranked, and what confirming would confirm. @param {State} state */
  tellLeft(state) {
    const left = ranking.pool(state);
    const words = say(_("Not ranked yet: %(names)s. Raise one to put it on the board."), { names: listed(left.map((id) => this.letter(id))) });
    this.leftTarget.textContent = left.length > 0 ? words : "";
    this.clearTarget.disabled = ranking.tiersOf(state).length === 0;
    this.confirmTarget.textContent = this.confirmWords(state, left.length);
  }

  /** @param {State} state @param {number} left */
  confirmWords(state, left) {
    if (left > 0) return ngettext("%(count)s is still to be ranked", "%(count)s are still to be ranked", left);
    return state.touched ? _("This is my order") : _("The order of my ratings is right");
  }

  /** @param {State} state */
  lay(state) {
    this.drawn = ranking.tiersOf(state);
    this.sortables.forEach((sortable) => sortable.destroy());
    this.listTarget.replaceChildren(...board(this.drawn, ranking.pool(state), (id) => this.card(id)));
    const places = /** @type {NodeListOf<HTMLElement>} */ (this.listTarget.querySelectorAll(PLACES));
    this.sortables = [...places].map((place) => this.sortable(place));
  }

  /** @param {Card} card @param {State} state @param {string} id */
  dress(card, state, id) {
    const current = id === state.current;
    card.tabIndex = current ? 0 : -1;
    card.setAttribute("aria-selected", String(current));
    find(card, "[data-mark]", HTMLElement).textContent = `${state.ratings[id].overall}/7`;
    find(card, "[data-flags]", HTMLElement).hidden = state.ratings[id].flags.length === 0;
    this.unfold(card, this.whole.has(id));
  }

  /** @param {Card} card @param {boolean} whole */
  unfold(card, whole) {
    card.classList.toggle("is-whole", whole);
    if (!whole || card.querySelector(".reading")) return;
    const text = textOf(card.dataset.id);
    text.inert = true; // the card is one thing to choose and to drag; what is in it is not
    card.append(text);
  }

  /** @param {HTMLElement} place */
  sortable(place) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    return Sortable.create(place, {
      group: "board",
      draggable: ".card",
      animation: still ? 0 : MOTION_MS,
      forceFallback: true,
      delay: 150,
      delayOnTouchOnly: true,
      ghostClass: "card-ghost",
      onStart: () => this.dragging(true),
      onEnd: (event) => this.drop(/** @type {Dropped} */ (event)),
    });
  }

  markHeld() {
    for (const [id, card] of this.cards) card.classList.toggle("is-held", this.held?.id === id);
    this.holdTarget.setAttribute("aria-pressed", String(this.held !== null));
  }

  focus() {
    this.cards.get(this.state.current)?.focus({ preventScroll: false });
  }

  /** @param {string} id */
  name(id) {
    return say(_("Completion %(letter)s"), { letter: this.letter(id) });
  }

  /** @param {string} id @returns {Card} */
  card(id) {
    return /** @type {Card} */ (this.cards.get(id));
  }

  /** @param {string} id */
  letter(id) {
    return this.card(id).dataset.letter;
  }

  /** Where a card stands, in words. @param {string} id */
  place(id) {
    const now = ranking.tiersOf(this.state);
    const at = tiers.bandOf(now, id);
    if (at < 0) return say(_("%(name)s: not ranked yet"), { name: this.name(id) });
    const others = now[at].filter((other) => other !== id).map((other) => this.letter(other));
    const words = others.length > 0
      ? _("%(name)s: rank %(rank)s of %(ranks)s, tied with %(others)s")
      : _("%(name)s: rank %(rank)s of %(ranks)s");
    return say(words, { name: this.name(id), rank: at + 1, ranks: now.length, others: listed(others) });
  }
}
