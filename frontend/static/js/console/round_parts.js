/** The parts of a round's page: its stages, alarms and evaluations as elements. @module */
import { element, intervalDrawing } from "./elements.js";
import { duration, number, pace } from "./format.js";

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

/** @param {Element} root @param {string} name @returns {HTMLElement} */
export function slot(root, name) {
  return root.querySelector(`[data-slot="${name}"]`);
}

export function badge(target, state, text) {
  target.className = `badge ${BADGES[state] ?? ""}`;
  if (target.textContent !== text) target.textContent = text;
}

/** Where a stage is. @param {HTMLElement} card @param {any} run none before it is opened */
export function showStage(card, run) {
  slot(card, "again").hidden = !run || !["finished", "failed", "stopped"].includes(run.state);
  if (!run) return;
  const { step, total, rate, seconds_left: left, seconds } = run.progress;
  const running = run.state === "running";
  badge(slot(card, "state"), run.silent ? "paused" : run.state, run.silent ? "Worker lost" : STATES[run.state]);
  slot(card, "silent").hidden = !run.silent;
  const bar = slot(card, "bar");
  bar.max = total || 1;
  bar.value = run.state === "finished" ? bar.max : step;
  slot(card, "step").textContent = total ? `${number(step)} of ${number(total)}` : "–";
  slot(card, "rate").textContent = pace(rate);
  slot(card, "time-title").textContent = running ? "Time left" : "Took";
  slot(card, "time").textContent = duration(running ? left : seconds);
  slot(card, "output").textContent = run.output ?? "–";
}

/** Say which workers are missing and how one is started; a live region speaks only at a change.
 * @param {HTMLElement} notice @param {{text: string, command: string} | null} absence */
export function showAbsence(notice, absence) {
  const { text, command } = absence ?? { text: "", command: "" };
  if (notice.textContent === text + command) return;
  notice.hidden = !absence;
  notice.replaceChildren(...[element("p", {}, [text]), command && element("code", {}, [command])].filter(Boolean));
}

/** What goes wrong in PPO, and what to do about it. */
export function alarmNotice({ title, text, remedy, step }) {
  return element("div", { class: "notice notice-warn" }, [
    element("p", {}, [element("strong", {}, [`${title}. `]), `${text} By step ${number(step)}.`]),
    element("p", { class: "small" }, [remedy]),
  ]);
}

export function evaluationRows({ version, baseline, judge, figures }) {
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
