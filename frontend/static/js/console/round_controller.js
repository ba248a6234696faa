/**
 * Follows a round: asks the API every few seconds and shows stages, alarms, curves, evaluation and
 * what can be done, and lays other rounds' curves over its own. Nothing is kept here, so a reload
 * shows the same.
 *
 *   <div data-controller="round" data-round-url-value="…" data-round-metrics-url-value="…">
 *     <div data-round-target="stage" data-stage="sft">… <dd data-slot="step"></dd> …</div>
 *   </div>
 *
 * Tells `round:told` with the round after every answer, for the log and the samples.
 *
 * @import { Stages } from "./curves.js"
 * @import { Absence, Alarm, Evaluation, Run } from "./round_parts.js"
 * @typedef {object} Round
 * @property {string} state @property {string} state_title @property {boolean} promoted
 * @property {string} failure @property {number} ahead @property {Absence | null} absence
 * @property {string[]} actions @property {Run[]} runs @property {Alarm[]} alarms
 * @property {Evaluation[]} evaluations @property {Record<string, number[]>} sample_steps by stage
 * @typedef {{round: Round, metrics: {cursor: string, stages: Stages, thinned: boolean}}} Told
 * @typedef {{name: string, body?: object}} Asked
 * @typedef {{title: string, text: string, body?: object, settings?: boolean}} Question
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { find, slot } from "../find.js";
import { Follower, sayIn } from "../follow.js";
import { Curves } from "./curves.js";
import { element } from "./elements.js";
import { alarmNotice, badge, evaluationRows, showAbsence, showStage } from "./round_parts.js";

const WHILE_OPEN_MS = 2_000;
const WHEN_CLOSED_MS = 15_000;
const UNREACHABLE = "The server cannot be reached. Try again in a moment.";

export default class extends /** @type {Typed<{
  targets: {
    state: HTMLElement, action: WithData<"name">, failure: HTMLElement,
    line: HTMLElement, absence: HTMLElement, offline: HTMLElement, alarms: HTMLElement,
    stage: WithData<"stage">, evaluation: HTMLElement, curves: HTMLElement, noCurves: HTMLElement,
    thinned: HTMLElement, updated: HTMLElement, smoothing: HTMLInputElement,
    smoothed: HTMLOutputElement, overlay: HTMLSelectElement, laid: HTMLElement,
    dialog: HTMLDialogElement,
  },
  values: {url: string, metricsUrl: string, title: string, list: string},
  fields: {
    titles: Map<string, string>, curves: Curves, cursor: string | null, theme: MutationObserver,
    follower: Follower<{status: number, body: Told}>, asked: Asked, shownAlarms?: string,
  },
}>} */ (Controller) {
  static targets = ["state", "action", "failure", "line", "absence", "offline", "alarms", "stage", "evaluation", "curves", "noCurves", "thinned", "updated",
    "smoothing", "smoothed", "overlay", "laid", "dialog"];
  static values = { url: String, metricsUrl: String, title: String, list: String };

  connect() {
    this.titles = new Map(this.stageTargets.map((card) => [card.dataset.stage, find(card, "h3", HTMLElement).firstChild?.textContent?.trim() ?? ""]));
    this.curves = new Curves(this.curvesTarget, this.titles, this.titleValue);
    this.cursor = null;
    this.theme = new MutationObserver(() => this.curves.redraw());
    this.theme.observe(document.documentElement, { attributeFilter: ["class"] });
    this.follower = new Follower({
      ask: () => this.#ask(),
      show: ({ body }) => this.#told(body),
      say: sayIn(this.offlineTarget),
    });
    this.follower.start();
  }

  disconnect() {
    this.follower.stop();
    this.theme.disconnect();
    this.curves.destroy();
  }

  /** Open the question before an action.
   * @param {On<WithData<"name", HTMLButtonElement>> & {params: Question}} event */
  ask({ currentTarget, params }) {
    this.asked = { name: currentTarget.dataset.name, body: params.body };
    slot(this.dialogTarget, "title").textContent = params.title;
    slot(this.dialogTarget, "text").textContent = params.text;
    slot(this.dialogTarget, "error").textContent = "";
    slot(this.dialogTarget, "yes").textContent = currentTarget.textContent;
    slot(this.dialogTarget, "settings").hidden = !params.settings;
    this.dialogTarget.showModal();
  }

  async confirm() {
    /** @type {{yaml?: string}} */
    const body = { ...this.asked.body };
    const settings = slot(this.dialogTarget, "settings");
    if (!settings.hidden) body.yaml = find(settings, "textarea", HTMLTextAreaElement).value;
    const answer = await call("POST", `${this.urlValue}${this.asked.name.split("-")[0]}/`, body).catch(() => null);
    if (!answer || answer.status >= 400) {
      slot(this.dialogTarget, "error").textContent = answer ? problem(answer, "That did not work. Reload the page and try again.") : UNREACHABLE;
      return;
    }
    this.dialogTarget.close();
    if (this.asked.name.startsWith("retry")) this.#forget();
    this.follower.start();
  }

  dismiss() {
    this.dialogTarget.close();
  }

  smooth() {
    const weight = Number(this.smoothingTarget.value);
    this.smoothedTarget.textContent = weight ? weight.toFixed(2) : "off";
    this.curves.smooth(weight);
  }

  /** Lay the curves of the chosen round over these. */
  async lay() {
    const { value, selectedOptions } = this.overlayTarget;
    if (!value) return;
    const title = selectedOptions[0].textContent;
    const answer = await call("GET", `${this.listValue}${value}/metrics/`).catch(() => null);
    this.overlayTarget.value = "";
    if (answer?.status !== 200) {
      this.laidTarget.append(element("span", { class: "field-error" }, [UNREACHABLE]));
      return;
    }
    selectedDisable(this.overlayTarget, value, true);
    this.curves.lay(title, answer.body.stages);
    const chip = element("button", { type: "button", class: "button", "aria-label": `Take ${title} away` }, [`${title} ×`]);
    chip.addEventListener("click", () => {
      this.curves.take(title);
      selectedDisable(this.overlayTarget, value, false);
      chip.remove();
    });
    this.laidTarget.append(chip);
  }

  /** A stage that begins anew has no curve yet. */
  #forget() {
    this.curves.destroy();
    this.laidTarget.replaceChildren();
    for (const option of this.overlayTarget.options) option.disabled = false;
    this.curves = new Curves(this.curvesTarget, this.titles, this.titleValue);
    this.curves.smooth(Number(this.smoothingTarget.value));
    this.cursor = null;
  }

  /** The round and its new points; the worse status of the two. */
  async #ask() {
    const since = this.cursor ? `?since=${encodeURIComponent(this.cursor)}` : "";
    const [round, metrics] = await Promise.all([call("GET", this.urlValue), call("GET", `${this.metricsUrlValue}${since}`)]);
    const { status } = round.status === 200 ? metrics : round;
    return { status, body: { round: round.body, metrics: metrics.body } };
  }

  /** @param {Told} told @returns {number} milliseconds until the next time */
  #told({ round, metrics }) {
    this.cursor = metrics.cursor;
    this.curves.add(metrics.stages);
    if (metrics.thinned) this.thinnedTarget.hidden = false;
    this.#show(round);
    this.noCurvesTarget.hidden = this.curvesTarget.childElementCount > 0;
    this.updatedTarget.textContent = `as of ${new Date().toLocaleTimeString()}`;
    this.dispatch("told", { detail: { ...round, titles: this.titles } });
    return ["queued", "running", "paused"].includes(round.state) ? WHILE_OPEN_MS : WHEN_CLOSED_MS;
  }

  /** @param {Round} round */
  #show(round) {
    badge(this.stateTarget, round.state, round.promoted ? `${round.state_title}, promoted policy` : round.state_title);
    this.failureTarget.hidden = !round.failure;
    this.failureTarget.textContent = round.failure;
    this.lineTarget.hidden = !round.ahead;
    this.lineTarget.textContent = round.ahead === 1 ? "One round goes first. This one starts by itself when it is over." : `${round.ahead} rounds go first. This one starts by itself when they are over.`;
    showAbsence(this.absenceTarget, round.absence);
    for (const button of this.actionTargets) button.hidden = !round.actions.includes(button.dataset.name.split("-")[0]);
    for (const card of this.stageTargets) showStage(card, round.runs.find((run) => run.stage === card.dataset.stage));
    this.#showAlarms(round.alarms);
    this.evaluationTarget.hidden = !round.evaluations.length;
    // The round's own evaluation was made first and has the most to say.
    const judged = round.runs.find((run) => run.stage === "evaluation");
    slot(this.evaluationTarget, "notes").textContent = Object.values(judged?.result.notes ?? {}).join(" ");
    slot(this.evaluationTarget, "figures").replaceChildren(...round.evaluations.toReversed().flatMap(evaluationRows));
  }

  /** @param {Alarm[]} alarms */
  #showAlarms(alarms) {
    this.curves.warn(alarms);
    const shown = JSON.stringify(alarms.map(({ name, text }) => [name, text]));
    if (shown === this.shownAlarms) return; // a live region speaks at every change
    this.shownAlarms = shown;
    this.alarmsTarget.hidden = !alarms.length;
    slot(this.alarmsTarget, "list").replaceChildren(...alarms.map(alarmNotice));
  }
}

/** @param {HTMLSelectElement} select @param {string} value @param {boolean} disabled */
function selectedDisable(select, value, disabled) {
  for (const option of select.options) if (option.value === value) option.disabled = disabled;
}
