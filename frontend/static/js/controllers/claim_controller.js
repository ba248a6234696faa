/**
 * Asks for a task of one kind and goes to it; looks again now and then while there is none.
 *
 *   <div data-controller="claim" data-claim-url-value="/api/v1/assignments/claim/"
 *        data-claim-kind-value="ranking" data-claim-page-value="/work/assignments/0/">
 *     <p data-claim-target="waiting">…</p> <div data-claim-target="empty" hidden>…</div>
 *
 * @import { Answer } from "../api.js"
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { Follower } from "../follow.js";

const AGAIN_MS = 15_000;
const LOCKED_OUT = [401, 403];

export default class extends /** @type {Typed<{
  targets: {waiting: HTMLElement, empty: HTMLElement, problem: HTMLElement},
  values: {url: string, kind: string, page: string},
  fields: {follower: Follower<Answer>},
}>} */ (Controller) {
  static targets = ["waiting", "empty", "problem"];
  static values = { url: String, kind: String, page: String };

  connect() {
    this.follower = new Follower({
      ask: () => call("POST", this.urlValue, { kinds: [this.kindValue] }),
      show: (answer) => this.show(answer),
      say: (trouble) => trouble && this.wait(null),
      shows: (status) => status < 500,
    });
    this.follower.start();
  }

  disconnect() {
    this.follower.stop();
  }

  /** @param {Answer} answer */
  show(answer) {
    if (answer.status === 200) this.go(answer.body.id);
    else if (LOCKED_OUT.includes(answer.status)) location.reload(); // it leads to the login, or says why not
    else return this.wait(answer);
    return null;
  }

  /** @param {number} id */
  go(id) {
    location.replace(this.pageValue.replace("/0/", `/${id}/`));
  }

  /** @param {Answer | null} answer null: out of reach */
  wait(answer) {
    const empty = answer?.status === 204;
    this.waitingTarget.hidden = true;
    this.emptyTarget.hidden = !empty;
    this.problemTarget.hidden = empty;
    if (!empty && answer?.body?.detail) this.problemTarget.textContent = answer.body.detail;
    return AGAIN_MS;
  }
}
