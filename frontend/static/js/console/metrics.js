/**
 * What each metric is called and measured in, and which ones are shown first.
 *
 * @typedef {{title: string, unit: string}} Meaning
 * @module
 */

/** @type {Record<string, [string, string]>} */
const MEANINGS = {
  "sft/loss": ["Loss", "nats a token"],
  "eval/loss": ["Validation loss", "nats a token"],
  "eval/scores": ["Validation reward", "score"],
  "sft/tokens": ["Tokens an update", "tokens"],
  "reward/loss": ["Ranking loss", "nats a pair"],
  "reward/accuracy": ["Training accuracy", "share of pairs"],
  "reward/pairs": ["Pairs an update", "pairs"],
  "reward/offset": ["Offset that puts demonstrations at 0", "score"],
  "reward/demonstration_std": ["Spread of demonstrations' scores", "score"],
  "eval/training/accuracy": ["Accuracy, training labelers", "share of pairs"],
  "eval/training/accuracy_finished": ["Accuracy, both answers finished", "share of pairs"],
  "eval/training/accuracy_mixed": ["Accuracy, one answer cut", "share of pairs"],
  "eval/training/accuracy_cut": ["Accuracy, both answers cut", "share of pairs"],
  "eval/held_out/accuracy": ["Accuracy, held-out labelers", "share of pairs"],
  "objective/scores": ["Reward model's score", "score"],
  "objective/scores_std": ["Spread of scores", "score"],
  "objective/kl": ["KL from the SFT model", "nats a response"],
  "objective/reward": ["Score less KL penalty", "score"],
  "objective/entropy": ["Entropy", "nats a token"],
  "objective/response_length": ["Response length", "tokens"],
  "objective/finished": ["Responses that end by themselves", "share"],
  "objective/beta": ["KL penalty β", "score a nat"],
  "ppo/loss/policy": ["Policy loss", "loss"],
  "ppo/loss/value": ["Value loss", "loss"],
  "ppo/loss/ptx": ["Pretraining loss", "nats a token"],
  "ppo/policy/clipfrac": ["Clip fraction", "share of tokens"],
  "ppo/policy/approxkl": ["KL of an update", "nats a token"],
  "ppo/policy/grad_norm": ["Gradient norm, policy", "norm"],
  "ppo/val/clipfrac": ["Clip fraction, value", "share of tokens"],
  "ppo/val/explained_variance": ["Explained variance of returns", "share"],
  "memory/process": ["Memory in use", "MiB"],
  "memory/peak": ["Most memory used", "MiB"],
  "memory/gpu_peak": ["Most GPU memory used", "MiB"],
  grad_norm: ["Gradient norm", "norm"],
  lr: ["Learning rate", "rate"],
};

const FIRST = [
  "sft/loss", "eval/loss", "eval/scores", "reward/loss", "reward/accuracy",
  "objective/scores", "objective/kl", "objective/response_length", "objective/entropy",
  "ppo/policy/clipfrac", "ppo/loss/policy", "ppo/loss/value", "ppo/val/explained_variance",
  "grad_norm", "ppo/policy/grad_norm", "lr",
];

/** @param {string} name @returns {Meaning} */
export function meaning(name) {
  if (name.startsWith("time/")) return { title: `Time: ${name.slice(5)}`, unit: "seconds" };
  const [title, unit] = MEANINGS[name] ?? [name, "value"];
  return { title, unit };
}

/** Whether a metric is in the first row. @param {string} name */
export function isFirst(name) {
  return FIRST.includes(name);
}

/** The telling ones first, then by name. @param {string[]} names @returns {string[]} */
export function sorted(names) {
  const place = (/** @type {string} */ name) => (isFirst(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...names].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}
