/**
 * What a labeler may want to look at again before submitting. Pure.
 *
 * @typedef {{overall?: number, flags: string[]}} Rating
 * @typedef {object} Contradiction
 * @property {"inverted" | "failing_first" | "all_tied" | "untouched"} kind
 * @property {string[]} ids
 * @property {"rate" | "rank"} step where to look again
 * @property {boolean} ask whether to submit takes a confirmation; the order of the ratings was
 *   confirmed on the board already
 * @module
 */
import { bandOf } from "./tiers.js";

/** Ratings this far apart the other way round are called a contradiction. */
export const WIDE = 2;

/** @param {string[][]} tiers @param {Record<string, Rating>} ratings @param {boolean} touched
 * @returns {Contradiction[]} */
export function contradictions(tiers, ratings, touched) {
  return [...inverted(tiers, ratings), ...failingFirst(tiers, ratings), ...untouched(tiers, touched)];
}

/** Who stands above others rated much higher, with those others; nearest to the top first.
 * @param {string[][]} tiers @param {Record<string, Rating>} ratings @returns {Contradiction[]} */
function inverted(tiers, ratings) {
  const ids = tiers.flat();
  const under = (/** @type {string} */ upper) => ids.filter((lower) => isInverted(tiers, ratings, upper, lower));
  return ids
    .map((upper) => [upper, ...under(upper)])
    .filter((group) => group.length > 1)
    .map((group) => ({ kind: "inverted", ids: group, step: "rank", ask: true }));
}

/** @param {string[][]} tiers @param {Record<string, Rating>} ratings
 * @param {string} upper @param {string} lower */
function isInverted(tiers, ratings, upper, lower) {
  const wide = overall(ratings, lower) - overall(ratings, upper) >= WIDE;
  return wide && bandOf(tiers, upper) < bandOf(tiers, lower);
}

/** Completions that fail the task but stand first, above one that does not fail it.
 * @param {string[][]} tiers @param {Record<string, Rating>} ratings @returns {Contradiction[]} */
function failingFirst(tiers, ratings) {
  const fails = (/** @type {string} */ id) => ratings[id].flags.includes("fails_task");
  if (tiers.flat().every(fails)) return [];
  return tiers[0].filter(fails).map((id) => ({ kind: "failing_first", ids: [id], step: "rate", ask: true }));
}

/** The order as the ratings left it, without one move; when all are tied, no preference was given.
 * @param {string[][]} tiers @param {boolean} touched @returns {Contradiction[]} */
function untouched(tiers, touched) {
  if (touched) return [];
  const allTied = tiers.length === 1;
  return [{ kind: allTied ? "all_tied" : "untouched", ids: tiers.flat(), step: "rank", ask: allTied }];
}

/** @param {Record<string, Rating>} ratings @param {string} id */
function overall(ratings, id) {
  return ratings[id].overall ?? 0;
}
