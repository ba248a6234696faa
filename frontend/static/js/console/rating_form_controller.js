/**
 * Edits the rating form as rows, shows it as labelers will see it, and publishes the next version.
 *
 *   <div data-controller="rating-form" data-rating-form-url-value="…" data-rating-form-most-value="24">
 *     <tbody data-rating-form-target="rows"><tr data-rating-form-target="row"><input name="label">…
 *     <template data-rating-form-target="blank">…</template> <div data-rating-form-target="shown"></div>
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { find, stamp } from "../find.js";
import { refused } from "./refused.js";

export default class extends /** @type {Typed<{
  targets: {
    scale: HTMLInputElement, scaleShown: HTMLElement, rows: HTMLElement, row: HTMLElement,
    blank: HTMLTemplateElement, add: HTMLButtonElement, shown: HTMLElement, problem: HTMLElement,
    done: HTMLElement,
  },
  values: {url: string, most: number},
}>} */ (Controller) {
  static targets = ["scale", "scaleShown", "rows", "row", "blank", "add", "shown", "problem", "done"];
  static values = { url: String, most: Number };

  connect() {
    this.preview();
  }

  add() {
    const row = stamp(this.blankTarget);
    this.rowsTarget.append(row);
    find(row, "input", HTMLInputElement).focus();
    this.preview();
  }

  /** @param {On<HTMLButtonElement>} event */
  remove({ currentTarget }) {
    const row = rowOf(currentTarget);
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (neighbour?.querySelector("input") ?? this.addTarget).focus();
    this.preview();
  }

  /** @param {On<HTMLButtonElement>} event */
  earlier({ currentTarget }) {
    this.move(currentTarget, (row) => row.previousElementSibling?.before(row));
  }

  /** @param {On<HTMLButtonElement>} event */
  later({ currentTarget }) {
    this.move(currentTarget, (row) => row.nextElementSibling?.after(row));
  }

  /** @param {HTMLElement} button @param {(row: HTMLTableRowElement) => void} put */
  move(button, put) {
    put(rowOf(button));
    button.focus();
    this.preview();
  }

  flags() {
    const said = (/** @type {HTMLElement} */ row, /** @type {string} */ part) => find(row, `[name=${part}]`, HTMLInputElement).value.trim();
    return this.rowTargets.map((row) => ({ name: said(row, "name"), label: said(row, "label"), group: said(row, "group"), key: said(row, "key") }));
  }

  preview() {
    const flags = this.flags();
    this.addTarget.disabled = flags.length >= this.mostValue;
    this.scaleShownTarget.textContent = this.scaleTarget.value;
    const names = [...new Set(flags.map(({ group }) => group))];
    this.shownTarget.replaceChildren(...names.map((name) => group(name, flags.filter((flag) => flag.group === name))));
  }

  /** @param {Event} event */
  async publish(event) {
    event.preventDefault();
    const scale = { name: "overall", label: this.scaleTarget.value.trim(), from: 1, to: 7 };
    const answer = await call("POST", this.urlValue, { scale, flags: this.flags() }).catch(() => null);
    const good = answer?.status === 201;
    this.problemTarget.textContent = good ? "" : refused(answer);
    this.doneTarget.textContent = good ? `Version ${answer.body.version} is published; tasks claimed from now on have it.` : "";
    this.doneTarget.hidden = !good;
  }
}

/** @param {HTMLElement} button @returns {HTMLTableRowElement} that it stands in */
function rowOf(button) {
  return /** @type {HTMLTableRowElement} */ (button.closest("tr"));
}

/** @param {string} name @param {{label: string, key: string}[]} flags */
function group(name, flags) {
  const element = document.createElement("div");
  element.className = "stack";
  const title = Object.assign(document.createElement("p"), { className: "eyebrow", textContent: name || "no group" });
  const row = Object.assign(document.createElement("div"), { className: "row" });
  row.append(...flags.map(shownFlag));
  element.append(title, row);
  return element;
}

/** @param {{label: string, key: string}} flag */
function shownFlag({ label, key }) {
  const element = Object.assign(document.createElement("span"), { className: "button flag", textContent: label });
  element.append(" ", Object.assign(document.createElement("kbd"), { textContent: key || "?" }));
  return element;
}
