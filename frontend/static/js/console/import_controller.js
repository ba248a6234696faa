/**
 * A file of prompts or labels on its way in: taken from the computer, sent in pieces, followed while it is
 * checked, shown before it counts, followed until it is imported.
 *
 *   <div data-controller="import" data-import-url-value="/api/v1/imports/"
 *        data-import-page-value="…" data-import-chunk-value="4194304" data-import-id-value="7">
 *
 * @import { Answer } from "../api.js"
 * @import { Field } from "./form_body.js"
 * @typedef {Record<string, number>} Counts
 * @typedef {{rows?: number, bad?: number, personal?: Counts, languages?: Counts, kinds?: Counts,
 *   shapes?: Counts, sets?: Counts, ignored?: Counts}} Tally
 * @typedef {{form: string, of: string, labeler: string, split: string,
 *   answers: {rank: number | null, text: string}[]}} Label
 * @typedef {{line: number, messages: number, text: string, use_case: string, language: string,
 *   author: string, personal: string[], label?: Label}} First
 * @typedef {{of?: string, licence?: string, split?: string, columns?: Record<string, string>}} Options
 * @typedef {{line: number, reason: string, text: string}} Bad
 * @typedef {{id: number, name: string, size: number, modified: number | null, received: number,
 *   format: string, state: string, state_title: string, failure: string, done: number, total: number,
 *   stored: number, tally: Tally, result: Counts, first: First[], bad: Bad[],
 *   what: string, options: Options}} Import
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { find } from "../find.js";
import { Follower, sayIn } from "../follow.js";
import { element } from "./elements.js";
import { UNREACHABLE, refused } from "./refused.js";
import { send } from "./uploading.js";

const EVERY_MS = 1000;
const UPLOAD_LOST = "No answer from the server. This page tries again by itself and goes on where it stopped.";
const MOVING = ["queued", "checking", "accepted", "storing"];
const OVER = ["finished", "failed", "cancelled"];
/** @type {Record<string, string>} */
const BADGES = { finished: "badge-good", failed: "badge-bad", cancelled: "badge-warn", checked: "badge-warn" };
/** @type {Record<string, [string, string]>} */
const PROMPT_FIGURES = {
  added: ["New", "prompts that can be asked"],
  quarantined: ["Quarantined", "hold personal data and wait for you"],
  near_duplicates: ["Near-duplicates", "linked to the one kept, never asked"],
  duplicates: ["Known already", "dropped"],
  over_limit: ["Over the author's limit", "dropped"],
};

/** @type {Record<string, [string, string]>} */
const LABEL_FIGURES = {
  rankings: ["Rankings", "to learn from"],
  demonstrations: ["Demonstrations", "to learn from"],
  completions: ["To be ranked", "tasks for your labelers"],
  known: ["Known already", "dropped"],
  prompts: ["New prompts", "that no queue asks"],
  quarantined: ["Quarantined", "of these hold personal data; their labels wait for you"],
};
const LABEL_HEAD = ["Line", "Asks", "Answers, best first", "Shape", "Set and labeler", "Personal data"];

export default class extends /** @type {Typed<{
  targets: {
    what: HTMLElement, options: HTMLElement, promptHint: HTMLElement, labelHint: HTMLElement,
    columns: HTMLElement, labelLinks: HTMLElement, firstHead: HTMLTableRowElement,
    title: HTMLElement, state: HTMLElement, cancel: HTMLButtonElement, choose: HTMLElement,
    goOn: HTMLElement, zone: HTMLElement, file: HTMLInputElement, progress: HTMLElement,
    bar: HTMLProgressElement, count: HTMLElement, hint: HTMLElement, problem: HTMLElement,
    offline: HTMLElement, outcome: HTMLElement, outcomeTitle: HTMLElement, about: HTMLElement,
    figures: HTMLElement, facts: HTMLElement, ask: HTMLElement, accept: HTMLButtonElement,
    skip: HTMLElement, skipBox: HTMLInputElement, links: HTMLElement, badPanel: HTMLElement,
    bad: HTMLElement, badLink: HTMLAnchorElement, firstPanel: HTMLElement, first: HTMLElement,
  },
  values: {url: string, page: string, chunk: number, id: number},
  fields: {
    stopped: AbortController, say: (trouble: string) => void, follower: Follower<Answer>,
    status?: Import, sending?: boolean,
  },
}>} */ (Controller) {
  static targets = [
    "what", "options", "promptHint", "labelHint", "columns", "labelLinks", "firstHead",
    "title", "state", "cancel", "choose", "goOn", "zone", "file", "progress", "bar", "count", "hint", "problem", "offline",
    "outcome", "outcomeTitle", "about", "figures", "facts", "ask", "accept", "skip", "skipBox", "links",
    "badPanel", "bad", "badLink", "firstPanel", "first",
  ];
  static values = { url: String, page: String, chunk: Number, id: Number };

  connect() {
    this.stopped = new AbortController();
    this.say = sayIn(this.offlineTarget);
    this.follower = new Follower({ ask: () => call("GET", this.#url), show: ({ body }) => this.show(body), say: this.say });
    const told = document.getElementById("import-status");
    if (told && this.show(JSON.parse(told.textContent)) !== null) this.follower.start();
  }

  disconnect() {
    this.stopped.abort();
    this.follower.stop();
  }

  /** Labels are asked about more than prompts. */
  what() {
    const labels = this.#isOf("labels");
    this.optionsTarget.hidden = this.labelHintTarget.hidden = !labels;
    this.promptHintTarget.hidden = this.columnsTarget.hidden = labels;
  }

  /** @param {DragEvent} event */
  over(event) {
    event.preventDefault();
    this.zoneTarget.classList.add("drop-over");
  }

  out() {
    this.zoneTarget.classList.remove("drop-over");
  }

  /** @param {DragEvent} event */
  drop(event) {
    event.preventDefault();
    this.out();
    this.#takeFirst(event.dataTransfer?.files);
  }

  chosen() {
    this.#takeFirst(this.fileTarget.files);
  }

  /** @param {FileList | null | undefined} files */
  #takeFirst(files) {
    if (files?.length) this.take(files[0]);
  }

  /** @param {File} file */
  async take(file) {
    if (this.status && !this.#isTheSame(file, this.status)) {
      return this.#complain(`This is another file: the one begun is ${this.status.name} with ${bytes(this.status.size)}.`);
    }
    this.problemTarget.hidden = true;
    const about = { name: file.name.slice(-200), size: file.size, modified: file.lastModified, ...this.#told() };
    const answer = await call("POST", this.urlValue, about).catch(() => null);
    this.fileTarget.value = "";
    if (answer?.status !== 201) return this.#complain(refused(answer));
    this.idValue = answer.body.id;
    history.replaceState(null, "", `${this.pageValue}${this.idValue}/change/`);
    this.sending = true;
    this.show(answer.body);
    await this.#send(file, answer.body.received);
  }

  async accept() {
    const answer = await call("POST", `${this.#url}accept/`, { skip_invalid: this.skipBoxTarget.checked }).catch(() => null);
    if (answer?.status !== 200) return this.#complain(answer ? problem(answer, "That did not work.") : UNREACHABLE);
    this.follower.start();
  }

  /** Bad lines have to be skipped knowingly. */
  allow() {
    this.acceptTarget.disabled = !this.skipTarget.hidden && !this.skipBoxTarget.checked;
  }

  async cancel() {
    this.stopped.abort();
    this.stopped = new AbortController();
    this.sending = false;
    const answer = await call("POST", `${this.#url}cancel/`).catch(() => null);
    if (answer?.status !== 200) this.#complain(answer ? problem(answer, "That did not work.") : UNREACHABLE);
    this.follower.start();
  }

  /** @param {Import} told
   * @returns {number | null} milliseconds until it is worth asking again, or null at rest */
  show(told) {
    this.status = told;
    const { state } = told;
    this.titleTarget.textContent = told.name;
    this.stateTarget.hidden = false;
    this.stateTarget.textContent = told.state_title;
    this.stateTarget.className = `badge ${BADGES[state] ?? "badge-now"}`;
    this.cancelTarget.hidden = OVER.includes(state);
    this.chooseTarget.hidden = state !== "receiving" || Boolean(this.sending);
    this.goOnTarget.hidden = state !== "receiving";
    this.whatTarget.hidden = this.optionsTarget.hidden = true;
    this.#label(told.what === "labels");
    this.progressTarget.hidden = !(MOVING.includes(state) || state === "receiving");
    this.#progress(told);
    if (told.failure) this.#complain(told.failure);
    this.#outcome(told);
    this.#fill(this.firstPanelTarget, this.firstTarget, told.first.map((row) => (row.label ? labelRow(row, row.label) : firstRow(row))));
    this.#fill(this.badPanelTarget, this.badTarget, told.bad.map(badRow));
    this.badLinkTarget.href = `${this.urlValue}${told.id}/bad-lines/`;
    return MOVING.includes(state) ? EVERY_MS : null;
  }

  /** @param {File} file @param {number} received */
  async #send(file, received) {
    const url = `${this.#url}content/`;
    const { signal } = this.stopped;
    const ended = await send(file, url, {
      from: received,
      chunk: this.chunkValue,
      signal,
      told: (at) => this.status && this.#progress({ ...this.status, received: at }),
      lost: (offline) => this.say(offline ? UPLOAD_LOST : ""),
    });
    this.sending = false;
    if (signal.aborted) return;
    if (!ended.ok) this.#complain(ended.sentence);
    this.follower.start();
  }

  /** @param {Import} told */
  #progress(told) {
    const [done, total, words, hint] = progress(told);
    this.barTarget.max = Math.max(total, 1);
    this.barTarget.value = done;
    this.countTarget.textContent = words;
    this.hintTarget.textContent = hint;
  }

  /** @param {Import} told */
  #outcome(told) {
    const { state, tally, result } = told;
    const known = Object.keys(result).length > 0;
    this.outcomeTarget.hidden = !known || !["checked", "finished"].includes(state);
    if (this.outcomeTarget.hidden) return;
    const finished = state === "finished";
    this.outcomeTitleTarget.textContent = finished ? "What was imported" : "What would be imported";
    this.aboutTarget.textContent = `${count(tally.rows)} rows of ${NAMES[told.format]}, ${count(tally.bad)} of them bad`;
    const figures = told.what === "labels" ? LABEL_FIGURES : PROMPT_FIGURES;
    this.figuresTarget.replaceChildren(...Object.entries(figures).map(([name, words]) => figure(result[name] ?? 0, words)));
    this.factsTarget.replaceChildren(...facts(tally));
    this.askTarget.hidden = finished;
    this.linksTarget.hidden = !finished;
    this.skipTarget.hidden = !tally.bad;
    this.acceptTarget.hidden = tally.rows === tally.bad;
    this.allow();
  }

  /** @param {HTMLElement} panel @param {HTMLElement} body @param {HTMLElement[]} rows */
  #fill(panel, body, rows) {
    panel.hidden = rows.length === 0;
    body.replaceChildren(...rows);
  }

  /** Names of the columns and links that fit what the file holds. @param {boolean} labels */
  #label(labels) {
    this.labelLinksTarget.hidden = !labels;
    if (labels) [...this.firstHeadTarget.cells].forEach((cell, place) => (cell.textContent = LABEL_HEAD[place]));
  }

  /** What is said of all rows; of a file that is here in part, what was said then. */
  #told() {
    if (this.status) {
      const { of = "", licence = "", split = "", columns = {} } = this.status.options;
      return this.status.what === "labels" ? { what: "labels", set: of, licence, split, columns } : { what: "prompts" };
    }
    if (!this.#isOf("labels")) return { what: "prompts" };
    const value = (/** @type {string} */ name) => /** @type {Field} */ (this.optionsTarget.querySelector(`[name=${name}]`)).value.trim();
    const pairs = value("columns").split("\n").filter((line) => line.trim());
    const columns = Object.fromEntries(pairs.map((line) => [line.split("=")[0].trim(), line.split("=").slice(1).join("=").trim()]));
    return { what: "labels", set: value("set"), licence: value("licence"), split: value("split"), columns };
  }

  /** @param {"prompts" | "labels"} what */
  #isOf(what) {
    return find(this.whatTarget, `[value=${what}]`, HTMLInputElement).checked;
  }

  /** @param {File} file @param {Import} begun */
  #isTheSame(file, { name, size, modified }) {
    return file.name.slice(-200) === name && file.size === size && (!modified || file.lastModified === modified);
  }

  /** @param {string} sentence */
  #complain(sentence) {
    this.problemTarget.textContent = sentence;
    this.problemTarget.hidden = false;
  }

  get #url() {
    return `${this.urlValue}${this.idValue}/`;
  }
}

/** @type {Record<string, string>} */
const NAMES = { jsonl: "JSON lines", csv: "CSV", parquet: "Parquet" };
const LEAVE = "You may leave this page; the work goes on.";

/** How far it is: done, of how much, and both in words.
 * @param {Import} told @returns {[number, number, string, string]} */
function progress({ state, received, size, done, total, stored, tally }) {
  if (state === "receiving") {
    const words = `Uploaded: ${bytes(received)} of ${bytes(size)}.`;
    return [received, size, words, "Leave this page open. If the connection breaks, the upload goes on where it stopped."];
  }
  const rows = tally.rows ?? 0;
  const labels = tally.kinds && Object.values(tally.kinds).reduce((sum, some) => sum + some, 0);
  const good = labels ?? rows - (tally.bad ?? 0);
  if (state === "storing" || state === "accepted") return [stored, good, `Imported: ${count(stored)} of ${count(good)} rows.`, LEAVE];
  if (total && done >= total) return [stored, good, `Checked: ${count(rows)} rows. Comparing them with the prompts that are here: ${count(stored)} of ${count(good)}.`, LEAVE];
  return [done, total, `Checked: ${count(rows)} rows, ${count(tally.bad ?? 0)} of them bad.`, LEAVE];
}

/** @param {First} row */
function firstRow(row) {
  return element("tr", {}, [
    element("td", { class: "number" }, [count(row.line)]),
    element("td", { class: "said" }, [row.messages > 1 ? `(${row.messages} messages) ${row.text}` : row.text]),
    element("td", {}, [row.use_case]),
    element("td", {}, [row.language || "–"]),
    element("td", {}, [row.author || "–"]),
    element("td", {}, [row.personal.join(", ").replaceAll("_", " ") || "–"]),
  ]);
}

/** @param {First} row @param {Label} label */
function labelRow({ line, text, messages, personal }, label) {
  const answers = [...label.answers].sort((one, other) => Number(one.rank) - Number(other.rank))
    .map(({ rank, text: said }) => element("p", {}, [rank ? `${rank}. ${said}` : said]));
  return element("tr", {}, [
    element("td", { class: "number" }, [count(line)]),
    element("td", { class: "said" }, [messages > 1 ? `(${messages} messages) ${text}` : text]),
    element("td", { class: "said" }, answers),
    element("td", {}, [`${label.form}, ${label.split}`]),
    element("td", {}, [label.labeler ? `${label.of}/${label.labeler}` : label.of]),
    element("td", {}, [personal.join(", ").replaceAll("_", " ") || "–"]),
  ]);
}

/** @param {Bad} row */
function badRow({ line, reason, text }) {
  return element("tr", {}, [
    element("td", { class: "number" }, [count(line)]),
    element("td", { class: "said" }, [reason]),
    element("td", { class: "said" }, [text.slice(0, 200)]),
  ]);
}

/** @param {number} value @param {[string, string]} words its title, and what it counts */
function figure(value, [title, words]) {
  return element("div", { class: "tile" }, [
    element("h3", {}, [title]),
    element("p", { class: "figure" }, [element("b", {}, [count(value)]), words]),
  ]);
}

/** @param {Tally} tally */
function facts({ personal = {}, languages = {}, shapes, sets = {}, ignored = {} }) {
  const listed = (/** @type {Counts} */ counts) => Object.entries(counts).sort((a, b) => b[1] - a[1]).slice(0, 12)
    .map(([name, rows]) => `${name.replaceAll("_", " ") || "not told"} ${count(rows)}`).join(", ");
  const told = shapes
    ? [["Shapes", listed(shapes) || "–"], ["Sets", listed(sets) || "–"], ["Columns not read", listed(ignored) || "none"]]
    : [["Languages", listed(languages) || "–"]];
  return [["Personal data", listed(personal) || "none found"], ...told]
    .flatMap(([name, words]) => [element("dt", {}, [name]), element("dd", {}, [words])]);
}

const count = (/** @type {number | undefined} */ value) => Number(value).toLocaleString("en");

/** @param {number} value */
function bytes(value) {
  if (value < 1024) return `${value} bytes`;
  const unit = value < 1024 ** 2 ? 1 : value < 1024 ** 3 ? 2 : 3;
  return `${(value / 1024 ** unit).toFixed(1)} ${["KiB", "MiB", "GiB"][unit - 1]}`;
}
