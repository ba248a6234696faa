/**
 * Keeps a part of a page as the server would render it now: asks the API every few seconds, and
 * where its answer has changed, fetches the page and puts the part in the place of the old one.
 *
 *   <div data-controller="live" data-live-url-value="…">
 *     <div data-live-target="part">…</div> <p data-live-target="offline" hidden>…</p>
 *   </div>
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";

const SECONDS = 4;
const NONE_YET = 404;

export default class extends Controller {
  static targets = ["part", "offline"];
  static values = { url: String };

  connect() {
    this.known = null;
    this.look();
  }

  disconnect() {
    clearTimeout(this.timer);
  }

  async look() {
    clearTimeout(this.timer);
    const answered = await this.#compare().catch(() => false);
    this.offlineTarget.hidden = answered;
    if (this.element.isConnected) this.timer = setTimeout(() => this.look(), 1000 * SECONDS);
  }

  async #compare() {
    const answer = await call("GET", this.urlValue);
    if (answer.status >= 400 && answer.status !== NONE_YET) return false;
    const news = JSON.stringify(answer.body);
    if (this.known !== null && news !== this.known) await this.#replace();
    this.known = news;
    return true;
  }

  async #replace() {
    const page = await fetch(location.href, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await page.text(), "text/html").querySelector('[data-live-target="part"]');
    const open = [...this.partTarget.querySelectorAll("details")].map((one) => one.open);
    fresh.querySelectorAll("details").forEach((one, place) => (one.open = open[place] ?? false));
    this.partTarget.replaceWith(fresh);
  }
}
