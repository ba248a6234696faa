/**
 * Follows a round: asks the API every few seconds and shows stages, curves, samples, evaluation and
 * what can be done. Nothing is kept here, so a reload shows the same.
 *
 *   <div data-controller="round" data-round-url-value="…" data-round-metrics-url-value="…">
 *     <div data-round-target="stage" data-stage="sft">… <dd data-slot="step"></dd> …</div>
 *   </div>
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { Curves } from "./curves.js";
import { element, intervalDrawing } from "./elements.js";
import { duration, number, pace } from "./format.js";
import { sampleGroup } from "./samples.js";

const SECONDS_WHILE_OPEN = 2;
const SECONDS_WHEN_CLOSED = 15;
const UNREACHABLE = "The server cannot be reached. Try again in a moment.";
const BADGES = { running: "badge-now", finished: "badge-good", failed: "badge-bad", paused: "badge-warn", stopped: "badge-warn" };
const STATES = { queued: "Queued", running: "Running", finished: "Finished", failed: "Failed", stopped: "Stopped" };
const FIGURES = [
  ["win_rate", "Win rate", null],
  ["score", "Mean score", "score_baseline"],
  ["kl", "KL from the baseline, nats a response", null],
  ["response_tokens", "Response length, tokens", "response_tokens_baseline"],
  ["finished", "Responses that end by themselves", "finished_baseline"],
  ["reward_accuracy_training", "Reward model's accuracy, training labelers", null],
  ["reward_accuracy_held_out", "Reward model's accuracy, held-out labelers", null],
];
const RATES = new Set(["win_rate", "finished", "reward_accuracy_training", "reward_accuracy_held_out"]);

export default class extends Controller {
  static targets = ["state", "action", "failure", "offline", "stage", "evaluation", "curves", "noCurves", "updated", "samples", "dialog"];
  static values = { url: String, metricsUrl: String };

  connect() {
    this.titles = new Map(this.stageTargets.map((card) => [card.dataset.stage, card.querySelector("h3").firstChild.textContent.trim()]));
    this.curves = new Curves(this.curvesTarget, this.titles);
    this.cursor = null;
    this.theme = new MutationObserver(() => this.curves.redraw());
    this.theme.observe(document.documentElement, { attributeFilter: ["class"] });
    this.refresh();
  }

  disconnect() {
    clearTimeout(this.timer);
    this.theme.disconnect();
    this.curves.destroy();
  }

  async refresh() {
    clearTimeout(this.timer);
    const wait = await this.#ask().catch(() => null);
    this.offlineTarget.hidden = wait !== null;
    if (this.element.isConnected) this.timer = setTimeout(() => this.refresh(), 1000 * (wait ?? SECONDS_WHILE_OPEN));
  }

  /** Open the question before an action. */
  ask({ currentTarget, params }) {
    this.asked = { name: currentTarget.dataset.name, body: params.body };
    slot(this.dialogTarget, "title").textContent = params.title;
    slot(this.dialogTarget, "text").textContent = params.text;
    slot(this.dialogTarget, "error").textContent = "";
    slot(this.dialogTarget, "yes").textContent = currentTarget.textContent;
    this.dialogTarget.showModal();
  }

  async confirm() {
    const answer = await call("POST", `${this.urlValue}${this.asked.name.split("-")[0]}/`, this.asked.body ?? {}).catch(() => null);
    if (!answer || answer.status >= 400) {
      slot(this.dialogTarget, "error").textContent = answer ? problem(answer, "That did not work. Reload the page and try again.") : UNREACHABLE;
      return;
    }
    this.dialogTarget.close();
    this.refresh();
  }

  dismiss() {
    this.dialogTarget.close();
  }

  /** @returns {Promise<number>} seconds until the next time */
  async #ask() {
    const since = this.cursor ? `?since=${encodeURIComponent(this.cursor)}` : "";
    const [round, metrics] = await Promise.all([call("GET", this.urlValue), call("GET", `${this.metricsUrlValue}${since}`)]);
    if (round.status !== 200 || metrics.status !== 200) throw new Error("no answer");
    this.#show(round.body);
    this.cursor = metrics.body.cursor;
    this.curves.add(metrics.body.stages);
    this.noCurvesTarget.hidden = this.curvesTarget.childElementCount > 0;
    this.updatedTarget.textContent = `as of ${new Date().toLocaleTimeString()}`;
    return ["queued", "running", "paused"].includes(round.body.state) ? SECONDS_WHILE_OPEN : SECONDS_WHEN_CLOSED;
  }

  #show(round) {
    badge(this.stateTarget, round.state, round.promoted ? `${round.state_title}, policy in office` : round.state_title);
    this.failureTarget.hidden = !round.failure;
    this.failureTarget.textContent = round.failure;
    for (const button of this.actionTargets) button.hidden = !round.actions.includes(button.dataset.name.split("-")[0]);
    for (const card of this.stageTargets) showStage(card, round.runs.find((run) => run.stage === card.dataset.stage));
    this.#showEvaluations(round.evaluations);
    this.#showSamples(round.samples);
  }

  #showEvaluations(evaluations) {
    this.evaluationTarget.hidden = !evaluations.length;
    // The round's own evaluation was made first and has the most to say.
    slot(this.evaluationTarget, "figures").replaceChildren(...evaluations.toReversed().flatMap(evaluationRows));
  }

  #showSamples(samples) {
    const shown = JSON.stringify(samples);
    if (shown === this.shownSamples) return;
    this.shownSamples = shown;
    this.samplesTarget.hidden = !samples.length;
    slot(this.samplesTarget, "list").replaceChildren(...samples.map((group, place) => sampleGroup(group, this.titles.get(group.stage), place === 0)));
  }
}

/** @param {Element} root @param {string} name @returns {HTMLElement} */
function slot(root, name) {
  return root.querySelector(`[data-slot="${name}"]`);
}

function badge(target, state, text) {
  target.className = `badge ${BADGES[state] ?? ""}`;
  if (target.textContent !== text) target.textContent = text;
}

function showStage(card, run) {
  if (!run) return;
  const { step, total, rate, seconds_left: left, seconds } = run.progress;
  const running = run.state === "running";
  badge(slot(card, "state"), run.state, STATES[run.state]);
  const bar = slot(card, "bar");
  bar.max = total || 1;
  bar.value = run.state === "finished" ? bar.max : step;
  slot(card, "step").textContent = total ? `${number(step)} of ${number(total)}` : "–";
  slot(card, "rate").textContent = pace(rate);
  slot(card, "time-title").textContent = running ? "Time left" : "Took";
  slot(card, "time").textContent = duration(running ? left : seconds);
  slot(card, "output").textContent = run.output ?? "–";
}

function evaluationRows({ version, baseline, judge, figures }) {
  const who = `${version} against ${baseline}, judged by: ${judge.toLowerCase()}`;
  const head = element("tr", {}, [element("th", { colspan: "6", scope: "rowgroup" }, [who])]);
  return [head, ...FIGURES.filter(([name]) => figures[name]).map((figure) => figureRow(figures, ...figure))];
}

function figureRow(figures, name, title, other) {
  const shown = (value) => (RATES.has(name) ? `${(100 * value).toFixed(1)} %` : number(value));
  const { value, low, high, n } = figures[name];
  const cell = (text) => element("td", { class: "number" }, [text]);
  return element("tr", {}, [
    element("td", {}, [title]), cell(shown(value)), cell(other ? shown(figures[other].value) : "–"),
    cell(`${shown(low)} to ${shown(high)}`), element("td", {}, RATES.has(name) ? [intervalDrawing(figures[name])] : []), cell(number(n)),
  ]);
}
