/**
 * A menu that closes as menus do: with Escape, which gives the focus back, and with a press elsewhere.
 *
 *   <details data-controller="menu"
 *            data-action="keydown.esc->menu#escape pointerdown@document->menu#leave focusin@document->menu#leave">
 *     <summary>…</summary>
 */
import { Controller } from "@hotwired/stimulus";

export default class extends /** @type {Typed<{element: HTMLDetailsElement}>} */ (Controller) {
  escape(event) {
    if (!this.element.open) return;
    event.preventDefault(); // the page's own Escape is meant for when no menu is open
    this.element.open = false;
    this.element.querySelector("summary").focus();
  }

  leave({ target }) {
    if (!this.element.contains(target)) this.element.open = false;
  }
}
