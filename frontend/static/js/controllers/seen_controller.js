/**
 * Something was read and is put away.
 *
 *   <li data-controller="seen" data-seen-url-value="…"><button data-action="seen#putAway">Got it</button></li>
 */
import { Controller } from "@hotwired/stimulus";

import { announce } from "../announce.js";
import { call } from "../api.js";
import { _ } from "../i18n.js";

export default class extends /** @type {Typed<{values: {url: string}}>} */ (Controller) {
  static values = { url: String };

  async putAway() {
    const answer = await call("POST", this.urlValue, {}).catch(() => null);
    if (!answer || answer.status >= 300) return announce(_("The server cannot be reached."));
    announce(_("Put away."));
    document.getElementById("main")?.focus({ preventScroll: true });
    return this.element.remove();
  }
}
