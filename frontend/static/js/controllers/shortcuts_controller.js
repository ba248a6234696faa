/**
 * Presses the button whose key was pressed, and makes the help sheet from the page.
 *
 *   <body data-controller="shortcuts" data-action="keydown@document->shortcuts#press">
 *     <button aria-keyshortcuts="?" data-action="shortcuts#help">…</button>
 *     <dialog data-shortcuts-target="sheet"><dl data-shortcuts-target="lines"></dl>
 *       <input type="checkbox" data-shortcuts-target="single" data-action="shortcuts#setSingle">
 */
import { Controller } from "@hotwired/stimulus";

import { findTarget, isSingleCharacter, isSpokenFor, keyOf, sheet } from "../shortcuts.js";

const OFF = "shortcuts:single-off";

export default class extends /** @type {Typed<{
  targets: {sheet: HTMLDialogElement, lines: HTMLElement, single: HTMLInputElement},
}>} */ (Controller) {
  static targets = ["sheet", "lines", "single"];

  connect() {
    setTimeout(() => this.#pressEarly()); // once every controller of the page has connected
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (globalThis.earlyKeys) return; // kept there, to be pressed in their order
    const key = keyOf(event);
    if (event.defaultPrevented || event.isComposing || isSpokenFor(key, /** @type {Element} */ (event.target))) return;
    if (isSingleCharacter(key) && localStorage.getItem(OFF)) return;
    const target = findTarget(document, key);
    if (!target) return;
    event.preventDefault();
    if (target.matches("textarea, input:not([type=checkbox], [type=radio])")) target.focus();
    else target.click();
  }

  help() {
    this.linesTarget.replaceChildren(...sheet(document).flatMap(line));
    this.singleTarget.checked = !localStorage.getItem(OFF);
    this.sheetTarget.showModal();
  }

  #pressEarly() {
    const early = globalThis.earlyKeys ?? [];
    document.removeEventListener("keydown", globalThis.keepEarlyKey);
    globalThis.earlyKeys = undefined;
    for (const event of early) this.press(event);
  }

  close() {
    this.sheetTarget.close();
  }

  setSingle() {
    if (this.singleTarget.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  }
}

/** @param {{label: string, keys: string[]}} line */
function line({ label, keys }) {
  const term = document.createElement("dt");
  term.append(...keys.map(cap));
  const words = document.createElement("dd");
  words.textContent = label;
  return [term, words];
}

/** @type {Record<string, string>} */
const SIGNS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Control: "Ctrl" };

/** @param {string} key */
function cap(key) {
  const element = document.createElement("kbd");
  element.textContent = key.split("+").map((part) => SIGNS[part] ?? part).join(" ");
  return element;
}
