/**
 * Asks before something is done over the API, with words or a reason where it wants one, and shows
 * the page anew, or `next`, when it is done.
 *
 *   <div data-controller="confirm">
 *     <button data-action="confirm#ask" data-confirm-url-param="…" data-confirm-title-param="…"
 *             data-confirm-text-param="…" data-confirm-body-param='{"mode": "paused"}'
 *             data-confirm-field-param="reason" data-confirm-label-param="Reason">Pause</button>
 *     <dialog data-confirm-target="dialog">… data-slot="title" "text" "field" "error" "yes" …</dialog>
 *   </div>
 *
 * @typedef {{url: string, title: string, text: string, body?: object, field?: string, label?: string,
 *   method?: "POST" | "PUT" | "DELETE", next?: string}} Question
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { find, slot } from "../find.js";

const UNREACHABLE = "The server cannot be reached. Try again in a moment.";
const FAILED = "That did not work. Reload the page and try again.";

export default class extends /** @type {Typed<{
  targets: {dialog: HTMLDialogElement},
  fields: {asked: Question},
}>} */ (Controller) {
  static targets = ["dialog"];

  /** @param {On<HTMLButtonElement> & {params: Question}} event */
  ask({ currentTarget, params }) {
    this.asked = params;
    this.#slot("title").textContent = params.title;
    this.#slot("text").textContent = params.text;
    this.#slot("error").textContent = "";
    this.#slot("yes").textContent = currentTarget.textContent;
    this.#slot("field").hidden = !params.field;
    this.#slot("label").textContent = params.label ?? "";
    this.#input.value = "";
    this.dialogTarget.showModal();
    if (params.field) this.#input.focus();
  }

  async confirm() {
    const { url, body = {}, field, method = "POST", next } = this.asked;
    const sent = field ? { ...body, [field]: this.#input.value } : body;
    const answer = await call(method, url, sent).catch(() => null);
    if (answer && answer.status < 400) {
      if (next) location.assign(next);
      else location.reload();
      return;
    }
    this.#slot("error").textContent = answer ? problem(answer, FAILED) : UNREACHABLE;
    if (field) this.#input.focus();
  }

  dismiss() {
    this.dialogTarget.close();
  }

  get #input() {
    return find(this.#slot("field"), "textarea", HTMLTextAreaElement);
  }

  /** @param {string} name */
  #slot(name) {
    return slot(this.dialogTarget, name);
  }
}
