/**
 * The demonstration's editor: drafts, a word count, the rendered preview.
 *
 *   <form data-controller="editor" data-editor-preview-value="/preview/" data-action="editor#submit">
 *     <textarea data-editor-target="text" data-action="input->editor#change"></textarea>
 *     <div data-editor-target="preview"></div> <span data-editor-target="count"></span>
 *
 * @typedef {{text?: string}} Draft
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { beginAt } from "../begin.js";
import { _, ngettext } from "../i18n.js";
import { wordCount } from "../words.js";

const PREVIEW_MS = 300;

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {
    text: HTMLTextAreaElement, preview: HTMLElement, count: HTMLElement, error: HTMLElement,
  },
  values: {preview: string},
  fields: {timer?: Timer},
}>} */ (Controller) {
  static targets = ["text", "preview", "count", "error"];
  static values = { preview: String };

  connect() {
    this.dispatch("ready", { prefix: "work", detail: { load: (/** @type {Draft} */ draft) => this.load(draft) } });
    beginAt(this.textTarget);
  }

  disconnect() {
    clearTimeout(this.timer);
  }

  /** @param {Draft} draft */
  load(draft) {
    this.textTarget.value = draft.text ?? "";
    this.refresh();
  }

  change() {
    this.dispatch("near", { prefix: "work" });
    this.dispatch("change", { prefix: "work", detail: { draft: { text: this.textTarget.value } } });
    this.showError("");
    this.refresh();
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    event.preventDefault();
    const text = this.textTarget.value;
    if (!text.trim()) return this.showError(_("Write the response first; an empty one cannot be submitted."));
    return this.dispatch("submit", { prefix: "work", detail: { label: { text } } });
  }

  /** @param {string} words */
  showError(words) {
    this.errorTarget.textContent = words;
    this.textTarget.setAttribute("aria-invalid", String(words !== ""));
    if (words) this.textTarget.focus();
  }

  refresh() {
    const count = wordCount(this.textTarget.value, document.documentElement.lang);
    this.countTarget.textContent = ngettext("%(count)s word", "%(count)s words", count);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.preview(), PREVIEW_MS);
  }

  async preview() {
    const text = this.textTarget.value;
    if (!text.trim()) return this.previewTarget.replaceChildren();
    const answer = await call("POST", this.previewValue, { text }).catch(() => null);
    // Only the server makes HTML of Markdown, and only through its two fences.
    if (answer?.body?.html && text === this.textTarget.value) this.previewTarget.innerHTML = answer.body.html;
    return undefined;
  }
}
