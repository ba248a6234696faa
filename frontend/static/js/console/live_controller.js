/**
 * Keeps a part of a page as the server would render it now: asks the API every few seconds, and
 * where its answer has changed, fetches the page and puts the part in the place of the old one.
 *
 *   <div data-controller="live" data-live-url-value="…">
 *     <div data-live-target="part">…</div> <p data-live-target="offline" hidden>…</p>
 *   </div>
 *
 * @typedef {{status: number, news: string, page: string | null}} Fetched
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { find } from "../find.js";
import { Follower, sayIn } from "../follow.js";

const EVERY_MS = 4_000;
const NONE_YET = 404;
const shows = (/** @type {number} */ status) => status < 400 || status === NONE_YET;

export default class extends /** @type {Typed<{
  targets: {part: HTMLElement, offline: HTMLElement},
  values: {url: string},
  fields: {known: string | null, follower: Follower<Fetched>},
}>} */ (Controller) {
  static targets = ["part", "offline"];
  static values = { url: String };

  connect() {
    this.known = null;
    this.follower = new Follower({
      ask: () => this.#ask(),
      show: (answer) => this.#show(answer),
      say: sayIn(this.offlineTarget),
      shows,
    });
    this.follower.start();
  }

  disconnect() {
    this.follower.stop();
  }

  /** The API's answer and, where it is another one than before, the page. @returns {Promise<Fetched>} */
  async #ask() {
    const { status, body } = await call("GET", this.urlValue);
    const news = JSON.stringify(body);
    const changed = this.known !== null && news !== this.known && shows(status);
    if (!changed) return { status, news, page: null };
    const response = await fetch(location.href, { credentials: "same-origin" });
    return { status: response.status, news, page: await response.text() };
  }

  /** @param {Fetched} fetched */
  #show({ news, page }) {
    if (page !== null) this.#replace(page);
    this.known = news;
    return EVERY_MS;
  }

  /** @param {string} page */
  #replace(page) {
    const fresh = find(new DOMParser().parseFromString(page, "text/html"), '[data-live-target="part"]', HTMLElement);
    const open = [...this.partTarget.querySelectorAll("details")].map((one) => one.open);
    fresh.querySelectorAll("details").forEach((one, place) => (one.open = open[place] ?? false));
    this.partTarget.replaceWith(fresh);
  }
}
