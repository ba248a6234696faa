/**
 * The state of the ranking page and every change to it. Pure.
 *
 * @typedef {import("./tiers.js").Tiers} Tiers
 * @typedef {{overall?: number, flags: string[]}} Rating
 * @typedef {object} State
 * @property {string[]} ids in display order
 * @property {"rate" | "rank" | "review"} step
 * @property {string} current the completion being read or moved
 * @property {Record<string, Rating>} ratings
 * @property {import("./history.js").History<Tiers> | null} board null until every one is rated
 * @property {boolean} touched whether a card was ever moved by hand
 * @module
 */
import * as history from "./history.js";
import { fits, fromRatings, isComplete, sameOrder, unranked } from "./tiers.js";

/** The state a draft stands for; what no longer fits the task is left out.
 * @param {string[]} ids @param {any} draft @returns {State} */
export function fromDraft(ids, draft) {
  const ratings = Object.fromEntries(ids.map((id) => [id, rating(draft.ratings?.[id])]));
  const board = draft.ranking && fits(draft.ranking, ids) ? history.begin(draft.ranking) : null;
  const current = ids.includes(draft.current) ? draft.current : ids[0];
  // A draft made of what was submitted has an order of the labeler's own and begins with all of it.
  const touched = Boolean(draft.touched ?? board);
  const state = { ids, step: "rate", current, ratings, board, touched };
  return go(/** @type {State} */ (state), draft.step ?? (board ? "review" : "rate"));
}

/** @param {State} state @returns {object} */
export function toDraft({ step, current, ratings, board, touched }) {
  return { step, current, ratings, ranking: board?.present ?? null, touched };
}

/** What is submitted. @param {State} state @returns {{ranking: Tiers, ratings: Record<string, Rating>}} */
export function toLabel(state) {
  return { ranking: tiersOf(state), ratings: state.ratings };
}

/** @typedef {(state: State) => State} Change */

/** @param {State} state @param {string} id */
export function isRated(state, id) {
  return state.ratings[id].overall !== undefined;
}

/** @param {State} state */
export function allRated(state) {
  return state.ids.every((id) => isRated(state, id));
}

/** The bands as they stand, none before there is a board. @param {State} state @returns {Tiers} */
export function tiersOf({ board }) {
  return board?.present ?? [];
}

/** Those still to be ranked once there is a board. @param {State} state @returns {string[]} */
export function pool({ ids, board }) {
  return board ? unranked(board.present, ids) : [];
}

/** Whether the board can be reviewed. @param {State} state */
export function isRanked(state) {
  return allRated(state) && state.board !== null && isComplete(state.board.present, state.ids);
}

/** Rate the current completion, and the first time move on to the next unrated one. The last one
 * waits, since nothing would lead back to it. @param {State} state @param {number} overall 1 to 7
 * @returns {State} */
export function rate(state, overall) {
  const rated = rateHere(state, overall);
  return isRated(state, state.current) ? rated : toUnrated(rated);
}

/** Rate the current completion and stay. @param {State} state @param {number} overall 1 to 7
 * @returns {State} */
export function rateHere(state, overall) {
  return withRating(state, state.current, { ...state.ratings[state.current], overall });
}

/** To the next completion that is not rated yet, if there is one. @param {State} state
 * @returns {State} */
export function toUnrated(state) {
  return focusOn(state, nextUnrated(state) ?? state.current);
}

/** On from a rated completion: to the next unrated one, else to the board. @param {State} state
 * @returns {State} */
export function onward(state) {
  return allRated(state) ? go(state, "rank") : toUnrated(state);
}

/** @param {State} state @param {string} flag @param {string} id whose it is @returns {State} */
export function toggleFlag(state, flag, id) {
  const { flags, ...rest } = state.ratings[id];
  const next = flags.includes(flag) ? flags.filter((other) => other !== flag) : [...flags, flag];
  return withRating(state, id, { ...rest, flags: next });
}

/** @param {State} state @param {string} id @returns {State} */
export function focusOn(state, id) {
  return { ...state, current: id };
}

/** Go by `step` places in display order, and stop at the ends. @param {State} state
 * @param {number} step @returns {State} */
export function focusNext(state, step) {
  const at = state.ids.indexOf(state.current) + step;
  return focusOn(state, state.ids[Math.max(0, Math.min(state.ids.length - 1, at))]);
}

/** Go to a step; the board cannot be reached before every completion is rated, nor left for the
 * review before every one is ranked.
 * @param {State} state @param {State["step"]} step @returns {State} */
export function go(state, step) {
  if (step === "rate") return { ...state, step };
  if (!allRated(state)) return { ...toUnrated(state), step: "rate" };
  if (state.board) return step === "rank" || isRanked(state) ? { ...state, step } : goToPool(state);
  const board = history.begin(sorted(state));
  return { ...state, step, board, current: board.present[0][0] };
}

/** @param {State} state @returns {State} */
function goToPool(state) {
  const left = pool(state);
  return { ...state, step: "rank", current: left.includes(state.current) ? state.current : left[0] };
}

/** Put the board as `tiers`; a move that changes nothing is none. @param {State} state
 * @param {Tiers} tiers @returns {State} */
export function arrange(state, tiers) {
  if (!state.board || sameOrder(state.board.present, tiers)) return state;
  return { ...state, board: history.record(state.board, tiers), touched: true };
}

/** @param {State} state @returns {State} */
export function undo(state) {
  return state.board ? { ...state, board: history.undo(state.board) } : state;
}

/** @param {State} state @returns {State} */
export function redo(state) {
  return state.board ? { ...state, board: history.redo(state.board) } : state;
}

/** @param {State} state @param {string} id @param {Rating} changed @returns {State} */
function withRating(state, id, changed) {
  const next = { ...state, ratings: { ...state.ratings, [id]: changed } };
  // A board nobody has touched goes on following the ratings.
  const follows = next.board && !next.touched && allRated(next);
  return follows ? { ...next, board: history.begin(sorted(next)) } : next;
}

/** @param {State} state */
function sorted({ ids, ratings }) {
  return fromRatings(ids, Object.fromEntries(ids.map((id) => [id, ratings[id].overall ?? 0])));
}

/** The next one after the current, going round. @param {State} state */
function nextUnrated(state) {
  const at = state.ids.indexOf(state.current);
  const round = [...state.ids.slice(at + 1), ...state.ids.slice(0, at + 1)];
  return round.find((id) => !isRated(state, id));
}

/** @param {any} saved @returns {Rating} */
function rating(saved) {
  const flags = Array.isArray(saved?.flags) ? saved.flags : [];
  return saved?.overall ? { overall: saved.overall, flags } : { flags };
}
