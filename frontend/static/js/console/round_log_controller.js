/**
 * The log of a round, new lines at its end as they come, for as long as it is unfolded.
 *
 *   <details data-controller="round-log" data-round-log-url-value="…"
 *            data-action="round:told@window->round-log#refresh toggle->round-log#refresh">
 *     <ol data-round-log-target="lines"></ol>
 *   </details>
 *
 * @typedef {{id: number, at: string, stage: string, level: string, text: string}} Line
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { element } from "./elements.js";

const LINES_SHOWN = 300;

export default class extends /** @type {Typed<{
  element: HTMLDetailsElement,
  targets: {lines: HTMLElement, empty: HTMLElement},
  values: {url: string},
  fields: {asking?: boolean, last?: number},
}>} */ (Controller) {
  static targets = ["lines", "empty"];
  static values = { url: String };

  async refresh() {
    if (!this.element.open || this.asking) return;
    this.asking = true;
    const answer = await call("GET", `${this.urlValue}?after=${this.last ?? 0}`).catch(() => null);
    this.asking = false;
    if (answer?.status === 200) this.#add(answer.body);
  }

  /** @param {Line[]} lines */
  #add(lines) {
    const list = this.linesTarget;
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
    list.append(...lines.map(logLine));
    while (list.childElementCount > LINES_SHOWN) list.firstElementChild?.remove();
    this.last = lines.at(-1)?.id ?? this.last;
    this.emptyTarget.hidden = list.childElementCount > 0;
    if (lines.length && atEnd) list.scrollTop = list.scrollHeight;
  }
}

/** @param {Line} line */
function logLine({ at, stage, level, text }) {
  const moment = new Date(at);
  return element("li", { "data-level": level }, [
    element("time", { datetime: at, title: moment.toLocaleString() }, [moment.toLocaleTimeString()]), ` ${stage} `,
    ...(level === "INFO" ? [] : [element("strong", {}, [`${level.toLowerCase()} `])]), text,
  ]);
}
