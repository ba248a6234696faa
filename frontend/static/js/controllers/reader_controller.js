/**
 * Beside the board: the focused completion in full, a second one pinned below it, and the words
 * in which they differ. Of two alone both are read side by side.
 *
 *   <div data-controller="reader">
 *     <article data-reader-target="current"></article> <article data-reader-target="pinned" hidden>
 *   </div>
 *
 * @import { State } from "../ranking_state.js"
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { copyOf, nameOf } from "../completions.js";
import { find } from "../find.js";
import { _ } from "../i18n.js";
import { markDifferences } from "../marks.js";

export default class extends /** @type {Typed<{
  targets: {
    current: HTMLElement, pinned: HTMLElement, pin: HTMLButtonElement,
    differences: HTMLButtonElement,
  },
  fields: {currentId: string, pinnedId: string | null, marking: boolean},
}>} */ (Controller) {
  static targets = ["current", "pinned", "pin", "differences"];

  initialize() {
    this.pinnedId = null;
    this.marking = false;
  }

  pin() {
    this.pinnedId = this.pinnedId === this.currentId ? null : this.currentId;
    announce(this.pinnedId ? _("Pinned. Go to another card to read both.") : _("No longer pinned."));
    this.draw();
  }

  toggleDifferences() {
    this.marking = !this.marking;
    this.draw();
  }

  /** @param {State} state */
  show(state) {
    if (state.step !== "rank") return;
    const [first, second, ...more] = state.ids;
    // Two stay where they are.
    const headToHead = second !== undefined && more.length === 0;
    const current = headToHead ? first : state.current;
    if (current === this.currentId) return;
    this.currentId = current;
    if (headToHead) this.pinnedId = second;
    this.element.dataset.headToHead = String(headToHead);
    this.pinTarget.hidden = headToHead;
    this.draw();
  }

  draw() {
    const two = this.pinnedId !== null && this.pinnedId !== this.currentId;
    this.fill(this.currentTarget, this.currentId);
    this.pinnedTarget.hidden = !two;
    if (this.pinnedId !== null && two) this.fill(this.pinnedTarget, this.pinnedId);
    if (two && this.marking) markDifferences(body(this.currentTarget), body(this.pinnedTarget));
    this.element.dataset.pinned = String(two);
    this.pinTarget.setAttribute("aria-pressed", String(this.pinnedId === this.currentId));
    this.differencesTarget.hidden = !two;
    this.differencesTarget.setAttribute("aria-pressed", String(this.marking));
  }

  /** @param {HTMLElement} pane @param {string} id */
  fill(pane, id) {
    pane.replaceChildren(...copyOf(id));
    pane.setAttribute("aria-label", nameOf(id));
    pane.scrollTop = 0;
  }
}

/** @param {Element} pane */
function body(pane) {
  return find(pane, ".reading", HTMLElement);
}
