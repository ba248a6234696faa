/**
 * Tells an admin what is the matter with a task; the task itself stays as it is.
 *
 *   <body data-controller="report" data-report-url-value="/api/v1/assignments/7/report/">
 *     <button data-action="report#open">Report</button>
 *     <dialog data-report-target="box"><form data-action="report#send"><textarea data-report-target="text">
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { find } from "../find.js";
import { _ } from "../i18n.js";
import { notify } from "../notices.js";

export default class extends /** @type {Typed<{
  targets: {box: HTMLDialogElement, text: HTMLTextAreaElement, problem: HTMLElement},
  values: {url: string},
}>} */ (Controller) {
  static targets = ["box", "text", "problem"];
  static values = { url: String };

  open() {
    this.boxTarget.showModal();
    this.textTarget.focus();
  }

  close() {
    this.boxTarget.close();
  }

  /** @param {SubmitEvent} event */
  async send(event) {
    event.preventDefault();
    const text = this.textTarget.value.trim();
    if (!text) return this.refuse(_("Write in a few words what is the matter."));
    const answer = await call("POST", this.urlValue, { text }).catch(() => null);
    if (answer?.status !== 201) return this.refuse(answer ? problem(answer, _("The report was not taken.")) : _("The server cannot be reached."));
    this.textTarget.value = "";
    this.refuse("");
    this.close();
    return notify(find(document, "[data-assignment-target=notices]", HTMLElement), "info", _("Reported. The answer comes to your first page."));
  }

  /** @param {string} words */
  refuse(words) {
    this.problemTarget.textContent = words;
    if (words) this.textTarget.focus();
  }
}
