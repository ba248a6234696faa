/**
 * Says what the prompt at hand is for, as soon as it is chosen.
 *
 *   <select data-controller="use-case" data-action="use-case#set" data-use-case-url-value="…">
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { call, problem } from "../api.js";
import { _ } from "../i18n.js";

export default class extends /** @type {Typed<{
  element: HTMLSelectElement, values: {url: string},
  fields: {kept: string},
}>} */ (Controller) {
  static values = { url: String };

  connect() {
    this.kept = this.element.value;
  }

  async set() {
    const answer = await call("POST", this.urlValue, { use_case: this.element.value }).catch(() => null);
    if (answer?.status === 200) {
      this.kept = this.element.value;
      return announce(_("Use case set."));
    }
    this.element.value = this.kept;
    announce(answer ? problem(answer, _("The server cannot be reached.")) : _("The server cannot be reached."));
  }
}
