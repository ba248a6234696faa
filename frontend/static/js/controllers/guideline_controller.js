/**
 * The guideline beside the work: opened with a key, and said to have been read.
 *
 *   <body data-controller="guideline" data-guideline-url-value="/api/v1/guidelines/3/read/">
 *     <div data-guideline-target="banner">… <button data-action="guideline#open"></div>
 *     <dialog data-guideline-target="box">… <button data-action="guideline#acknowledge"></dialog>
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { call, problem } from "../api.js";
import { _ } from "../i18n.js";

export default class extends /** @type {Typed<{
  targets: {
    banner: HTMLElement, box: HTMLDialogElement, acknowledgement: HTMLElement,
    problem: HTMLElement,
  },
  values: {url: string},
}>} */ (Controller) {
  static targets = ["banner", "box", "acknowledgement", "problem"];
  static values = { url: String };

  open() {
    this.boxTarget.showModal();
  }

  close() {
    this.boxTarget.close();
  }

  async acknowledge() {
    const answer = await call("POST", this.urlValue, {}).catch(() => null);
    if (!answer || answer.status >= 300) {
      this.problemTarget.textContent = problem(answer, _("The server cannot be reached."));
      return;
    }
    for (const element of [...this.bannerTargets, ...this.acknowledgementTargets]) element.hidden = true;
    if (this.hasBoxTarget) this.close();
    document.getElementById("main")?.focus({ preventScroll: true }); // what was pressed is gone
    announce(_("Noted as read."));
    this.dispatch("read");
  }
}
