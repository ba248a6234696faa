/**
 * A menu that closes as menus do: with Escape, which gives the focus back, and with a press elsewhere.
 *
 *   <details data-controller="menu"
 *            data-action="keydown.esc->menu#escape pointerdown@document->menu#leave focusin@document->menu#leave">
 *     <summary>…</summary>
 */
import { Controller } from "@hotwired/stimulus";

import { find } from "../find.js";

export default class extends /** @type {Typed<{element: HTMLDetailsElement}>} */ (Controller) {
  /** @param {KeyboardEvent} event */
  escape(event) {
    if (!this.element.open) return;
    event.preventDefault(); // the page's own Escape is meant for when no menu is open
    this.element.open = false;
    find(this.element, "summary", HTMLElement).focus();
  }

  /** @param {Event} event */
  leave({ target }) {
    if (!this.element.contains(/** @type {Node} */ (target))) this.element.open = false;
  }
}
