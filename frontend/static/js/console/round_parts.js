/**
 * The parts of a round's page: its stages, alarms and evaluations as elements.
 *
 * @typedef {{text: string, command: string}} Absence of workers, and how one is started
 * @typedef {{step: number, total: number | null, rate: number | null, seconds_left: number | null,
 *   seconds: number | null}} Progress
 * @typedef {{stage: string, state: string, silent: boolean, output: string | null, progress: Progress,
 *   result: {notes?: Record<string, string>}}} Run
 * @typedef {{name: string, metric: string, title: string, text: string, remedy: string, step: number}} Alarm
 * @typedef {{value: number, low: number, high: number, n: number}} Figure
 * @typedef {{version: string, baseline: string, judge: string, figures: Record<string, Figure>}} Evaluation
 * @module
 */
import { find, slot } from "../find.js";
import { element, intervalDrawing } from "./elements.js";
import { duration, number, pace } from "./format.js";

/** @type {Record<string, string>} */
const BADGES = { running: "badge-now", finished: "badge-good", failed: "badge-bad", paused: "badge-warn", stopped: "badge-warn" };
/** @type {Record<string, string>} */
const STATES = { queued: "Queued", running: "Running", finished: "Finished", failed: "Failed", stopped: "Stopped" };
/** @type {[string, string, string | null][]} the figure, its title, the baseline's */
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

/** @param {HTMLElement} target @param {string} state @param {string} text */
export function badge(target, state, text) {
  target.className = `badge ${BADGES[state] ?? ""}`;
  if (target.textContent !== text) target.textContent = text;
}

/** Where a stage is. @param {HTMLElement} card @param {Run | undefined} run none before it is opened */
export function showStage(card, run) {
  slot(card, "again").hidden = !run || !["finished", "failed", "stopped"].includes(run.state);
  if (!run) return;
  const { step, total, rate, seconds_left: left, seconds } = run.progress;
  const running = run.state === "running";
  badge(slot(card, "state"), run.silent ? "paused" : run.state, run.silent ? "Worker lost" : STATES[run.state]);
  slot(card, "silent").hidden = !run.silent;
  const bar = find(card, '[data-slot="bar"]', HTMLProgressElement);
  bar.max = total || 1;
  bar.value = run.state === "finished" ? bar.max : step;
  slot(card, "step").textContent = total ? `${number(step)} of ${number(total)}` : "–";
  slot(card, "rate").textContent = pace(rate);
  slot(card, "time-title").textContent = running ? "Time left" : "Took";
  slot(card, "time").textContent = duration(running ? left : seconds);
  slot(card, "output").textContent = run.output ?? "–";
}

/** Say which workers are missing and how one is started; a live region speaks only at a change.
 * @param {HTMLElement} notice @param {Absence | null} absence */
export function showAbsence(notice, absence) {
  const { text, command } = absence ?? { text: "", command: "" };
  if (notice.textContent === text + command) return;
  notice.hidden = !absence;
  notice.replaceChildren(...[element("p", {}, [text]), command && element("code", {}, [command])].filter(Boolean));
}

/** What goes wrong in PPO, and what to do about it. @param {Alarm} alarm */
export function alarmNotice({ title, text, remedy, step }) {
  return element("div", { class: "notice notice-warn" }, [
    element("p", {}, [element("strong", {}, [`${title}. `]), `${text} By step ${number(step)}.`]),
    element("p", { class: "small" }, [remedy]),
  ]);
}

/** @param {Evaluation} evaluation */
export function evaluationRows({ version, baseline, judge, figures }) {
  const who = `${version} against ${baseline}, judged by: ${judge.toLowerCase()}`;
  const head = element("tr", {}, [element("th", { colspan: "6", scope: "rowgroup" }, [who])]);
  return [head, ...FIGURES.filter(([name]) => figures[name]).map((figure) => figureRow(figures, ...figure))];
}

/** @param {Record<string, Figure>} figures @param {string} name @param {string} title
 * @param {string | null} other the baseline's figure */
function figureRow(figures, name, title, other) {
  const shown = (/** @type {number} */ value) => (RATES.has(name) ? `${(100 * value).toFixed(1)} %` : number(value));
  const { value, low, high, n } = figures[name];
  const cell = (/** @type {string} */ text) => element("td", { class: "number" }, [text]);
  return element("tr", {}, [
    element("td", {}, [title]), cell(shown(value)), cell(other ? shown(figures[other].value) : "–"),
    cell(`${shown(low)} to ${shown(high)}`), element("td", {}, RATES.has(name) ? [intervalDrawing(figures[name])] : []), cell(number(n)),
  ]);
}
