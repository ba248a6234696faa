/**
 * One's own API tokens: makes, rotates and revokes them. A secret is shown once, in a dialog; when
 * that closes the page comes anew, without it.
 *
 *   <div data-controller="tokens" data-tokens-url-value="/api/v1/tokens/">
 *     <button data-action="tokens#ask" data-tokens-method-param="DELETE" data-tokens-url-param="…"
 *             data-tokens-title-param="…" data-tokens-text-param="…">Revoke</button>
 *     <form data-action="tokens#make">… name, scopes, days …</form>
 *
 * @typedef {{method: "POST" | "DELETE", url: string, title: string, text: string}} Question
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { _ } from "../i18n.js";

export default class extends /** @type {Typed<{
  targets: {
    problem: HTMLElement, question: HTMLDialogElement, title: HTMLElement, text: HTMLElement,
    refusal: HTMLElement, yes: HTMLElement, shown: HTMLDialogElement, secret: HTMLInputElement,
    copied: HTMLElement,
  },
  values: {url: string},
  fields: {asked: Question},
}>} */ (Controller) {
  static targets = ["problem", "question", "title", "text", "refusal", "yes", "shown", "secret", "copied"];
  static values = { url: String };

  /** @param {On<Form<{name: HTMLInputElement}>>} event */
  async make(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const sent = new FormData(form);
    const name = String(sent.get("name")).trim();
    if (!name) {
      this.problemTarget.textContent = _("Write what the token is for, so that you know it again.");
      form.elements.name.focus();
      return;
    }
    const body = { name, scopes: sent.getAll("scopes"), days: Number(sent.get("days")) };
    this.problemTarget.textContent = await this.#send("POST", this.urlValue, body);
  }

  /** @param {On<HTMLButtonElement> & {params: Question}} event */
  ask({ currentTarget, params }) {
    this.asked = params;
    this.titleTarget.textContent = params.title;
    this.textTarget.textContent = params.text;
    this.refusalTarget.textContent = "";
    this.yesTarget.textContent = currentTarget.textContent;
    this.questionTarget.showModal();
  }

  /** @param {Event} event */
  async confirm(event) {
    event.preventDefault();
    this.refusalTarget.textContent = await this.#send(this.asked.method, this.asked.url);
  }

  dismiss() {
    this.questionTarget.close();
  }

  // Where the page is not served securely there is no clipboard to write to; what is selected can
  // be copied by hand.
  async copy() {
    this.secretTarget.select();
    const copied = await navigator.clipboard?.writeText(this.secretTarget.value).then(() => true, () => false);
    this.copiedTarget.textContent = copied ? _("Copied.") : _("It is selected: copy it with the keys of your system.");
  }

  reload() {
    this.secretTarget.value = "";
    location.reload();
  }

  /** Ask the API, and show the secret it answers; the words are why it did not, or "".
   * @param {"POST" | "DELETE"} method @param {string} url @param {object} [body] */
  async #send(method, url, body) {
    const answer = await call(method, url, body).catch(() => null);
    if (!answer) return _("The server cannot be reached. Try again in a moment.");
    if (answer.status >= 400) return problem(answer, _("That did not work. Load the page anew and try once more."));
    if (!answer.body?.token) {
      location.reload();
      return "";
    }
    this.questionTarget.close();
    this.secretTarget.value = answer.body.token;
    this.shownTarget.showModal();
    this.secretTarget.select();
    return "";
  }
}
