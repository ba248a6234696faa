/**
 * The topics a labeler declines, kept as soon as one is changed.
 *
 *   <div data-controller="topics" data-topics-url-value="/api/v1/topics/">
 *     <input type="checkbox" value="violence" checked data-topics-target="topic" data-action="topics#save">
 *     <p role="status" data-topics-target="state"></p>
 *
 * @import { Answer } from "../api.js"
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { _, clock, say } from "../i18n.js";

export default class extends /** @type {Typed<{
  targets: {topic: HTMLInputElement, state: HTMLElement},
  values: {url: string},
  fields: {saving?: Promise<void>},
}>} */ (Controller) {
  static targets = ["topic", "state"];
  static values = { url: String };

  // One after the other, so that the last change is the one that stays.
  save() {
    this.saving = (this.saving ?? Promise.resolve()).then(() => this.send());
  }

  async send() {
    const declined = this.topicTargets.filter(({ checked }) => !checked).map(({ value }) => value);
    const answer = await call("PUT", this.urlValue, { declined_topics: declined }).catch(() => null);
    this.stateTarget.textContent = this.words(answer);
  }

  /** @param {Answer | null} answer */
  words(answer) {
    if (!answer) return _("Not kept: the server cannot be reached. Change it once more in a moment.");
    if (answer.status !== 200) return problem(answer, _("Not kept. Load the page anew and try once more."));
    return say(_("Kept %(at)s"), { at: clock(Date.now()) });
  }
}
