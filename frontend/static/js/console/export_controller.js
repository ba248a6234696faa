/**
 * Follows an export until it has ended, then shows the link to its file.
 *
 *   <div data-controller="export" data-export-url-value="…">
 *
 * @import { Answer } from "../api.js"
 * @typedef {{state: string, state_title: string, done: number, total: number, rows: number,
 *   failure: string, manifest: Record<string, unknown>}} Progress
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { Follower, sayIn } from "../follow.js";
import { element } from "./elements.js";

const EVERY_MS = 1000;
const UNDER_WAY = ["queued", "running"];
/** @type {Record<string, string>} */
const BADGES = { finished: "badge-good", failed: "badge-bad", running: "badge-now", withdrawn: "badge-warn" };

export default class extends /** @type {Typed<{
  targets: {
    state: HTMLElement, bar: HTMLProgressElement, count: HTMLElement, download: HTMLAnchorElement,
    failure: HTMLElement, offline: HTMLElement, manifest: HTMLElement,
  },
  values: {url: string},
  fields: {follower: Follower<Answer>},
}>} */ (Controller) {
  static targets = ["state", "bar", "count", "download", "failure", "offline", "manifest"];
  static values = { url: String };

  connect() {
    this.follower = new Follower({
      ask: () => call("GET", this.urlValue),
      show: ({ body }) => {
        this.show(body);
        return UNDER_WAY.includes(body.state) ? EVERY_MS : null;
      },
      say: sayIn(this.offlineTarget),
    });
    this.follower.start();
  }

  disconnect() {
    this.follower.stop();
  }

  /** @param {Progress} told */
  show(told) {
    this.stateTarget.textContent = told.state_title;
    this.stateTarget.className = `badge ${BADGES[told.state] ?? ""}`;
    this.barTarget.max = Math.max(told.total, 1);
    this.barTarget.value = told.state === "finished" ? this.barTarget.max : told.done;
    this.countTarget.textContent = `Labels: ${told.done} of ${told.total}. Lines: ${told.rows}.`;
    this.downloadTarget.hidden = told.state !== "finished";
    this.failureTarget.hidden = !told.failure;
    this.failureTarget.textContent = told.failure;
    if (told.manifest.sha256) this.#list(told.manifest);
  }

  /** @param {Progress["manifest"]} manifest */
  #list(manifest) {
    const facts = Object.entries(manifest).flatMap(([name, value]) => [
      element("dt", {}, [name.replaceAll("_", " ")]),
      element("dd", {}, [typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "–")]),
    ]);
    this.manifestTarget.replaceChildren(...facts);
    /** @type {HTMLElement} */ (this.manifestTarget.closest("section")).hidden = false;
  }
}
