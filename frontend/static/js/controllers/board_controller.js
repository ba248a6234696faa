/**
 * Step two: the board of tiers. Keys press the toolbar's buttons, the mouse drags cards; both end
 * in the same calls to tiers.js, and the board is drawn anew from what they return.
 *
 *   <section data-controller="board" data-shortcut-scope>
 *     <button data-action="board#up" aria-keyshortcuts="ArrowUp">Raise</button>
 *     <div role="listbox" data-board-target="list"></div>
 *     <div hidden><div class="card" role="option" data-board-target="card" data-id="12">…</div></div>
 */
import { Controller } from "@hotwired/stimulus";
import Sortable from "sortablejs";

import { announce } from "../announce.js";
import { board } from "../bands.js";
import { _, listed, say } from "../i18n.js";
import * as ranking from "../ranking_state.js";
import * as tiers from "../tiers.js";

const MOTION_MS = 120;

export default class extends Controller {
  static targets = ["list", "card", "undo", "redo", "hold"];

  initialize() {
    this.cards = new Map();
    this.sortables = [];
    this.held = null;
  }

  cardTargetConnected(card) {
    this.cards.set(card.dataset.id, card);
  }

  up() { this.move(tiers.moveUp); }
  down() { this.move(tiers.moveDown); }
  top() { this.move((now, id) => tiers.insertBand(now, id, 0)); }
  bottom() { this.move((now, id) => tiers.insertBand(now, id, now.length)); }
  undo() { this.change(ranking.undo, _("Undone. ")); }
  redo() { this.change(ranking.redo, _("Done again. ")); }
  previous() { this.step(-1); }
  next() { this.step(1); }
  onward() { this.change((state) => ranking.go(state, "review")); }

  /** Click on a card, or its letter pressed. */
  pick({ currentTarget }) {
    this.select(currentTarget.dataset.id);
  }

  /** Tab has brought the focus to a card. */
  follow({ currentTarget }) {
    const { id } = currentTarget.dataset;
    if (id !== this.state.current) this.change((state) => ranking.focusOn(state, id), null);
  }

  /** Space: pick the card up, or put it down where it is. */
  hold() {
    const id = this.state.current;
    const holding = this.held === null;
    this.held = holding ? { id, before: this.state.board.present } : null;
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
    this.change((state) => ranking.arrange(state, how(state.board.present, state.current)), "");
  }

  step(by) {
    if (this.held) return;
    const order = this.state.board.present.flat();
    const at = order.indexOf(this.state.current) + by;
    if (order[at]) this.select(order[at]);
  }

  select(id) {
    this.change((state) => ranking.focusOn(state, id), null);
    this.focus();
  }

  /** Pass a change on; `words` then come before the place of the card, null says nothing. */
  change(change, words = null) {
    const inside = this.element.contains(document.activeElement);
    const onCard = document.activeElement?.getAttribute("role") === "option";
    this.dispatch("update", { prefix: "ranking", detail: { change } });
    if (this.state.step !== "rank") return;
    if (onCard || !inside) this.focus();
    if (words !== null) announce(words + this.place(this.state.current));
  }

  drop({ item, to }) {
    const { id } = item.dataset;
    const { gap, band } = to.dataset;
    this.dragging(false);
    // Sortable is still at work on these elements; the board is drawn when it has finished.
    setTimeout(() => {
      this.lay(this.state.board.present);
      this.change((state) => ranking.focusOn(state, id));
      this.move((now) => gap ? tiers.insertBand(now, id, Number(gap)) : tiers.placeInBand(now, id, Number(band)));
      this.focus();
    });
  }

  dragging(on) {
    this.listTarget.classList.toggle("is-dragging", on);
  }

  show(state) {
    this.state = state;
    if (state.step === "rank") this.draw(state);
    else this.held = null;
  }

  draw(state) {
    for (const [id, card] of this.cards) this.dress(card, state, id);
    // A press on a card only gives it the focus; taking the board apart then would end the drag.
    if (this.drawn !== state.board.present) this.lay(state.board.present);
    this.undoTarget.disabled = state.board.past.length === 0;
    this.redoTarget.disabled = state.board.future.length === 0;
    this.markHeld();
  }

  lay(now) {
    this.drawn = now;
    this.sortables.forEach((sortable) => sortable.destroy());
    this.listTarget.replaceChildren(...board(now, (id) => this.cards.get(id)));
    const places = [...this.listTarget.querySelectorAll("[data-band], [data-gap]")];
    this.sortables = places.map((place) => this.sortable(place));
  }

  dress(card, state, id) {
    const current = id === state.current;
    card.tabIndex = current ? 0 : -1;
    card.setAttribute("aria-selected", String(current));
    card.querySelector("[data-mark]").textContent = `${state.ratings[id].overall}/7`;
    card.querySelector("[data-flags]").hidden = state.ratings[id].flags.length === 0;
  }

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
      onEnd: (event) => this.drop(event),
    });
  }

  markHeld() {
    for (const [id, card] of this.cards) card.classList.toggle("is-held", this.held?.id === id);
    this.holdTarget.setAttribute("aria-pressed", String(this.held !== null));
  }

  focus() {
    this.cards.get(this.state.current)?.focus({ preventScroll: false });
  }

  name(id) {
    return say(_("Completion %(letter)s"), { letter: this.letter(id) });
  }

  letter(id) {
    return this.cards.get(id).dataset.letter;
  }

  /** Where a card stands, in words. */
  place(id) {
    const now = this.state.board.present;
    const at = tiers.bandOf(now, id);
    const others = now[at].filter((other) => other !== id).map((other) => this.letter(other));
    const words = others.length > 0
      ? _("%(name)s: rank %(rank)s of %(ranks)s, tied with %(others)s")
      : _("%(name)s: rank %(rank)s of %(ranks)s");
    return say(words, { name: this.name(id), rank: at + 1, ranks: now.length, others: listed(others) });
  }
}
