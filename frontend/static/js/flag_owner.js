/**
 * Which completion a flag belongs to. Rating moves on by itself, and what comes to mind next is
 * still about the completion that was left: for a moment, or until another key, flags go there. Pure.
 *
 * @typedef {{id: string, until: number}} Left the completion that was left, and for how long, in ms,
 *   flags are still its own
 * @module
 */

/** Long enough to press a letter after a digit, shorter than anybody reads the next text. */
export const GRACE_MS = 2_000;

/** A rating has led from one completion to another, or stayed. @param {string} before
 * @param {string} after @param {number} now @returns {Left | null} */
export function leave(before, after, now) {
  return before === after ? null : { id: before, until: now + GRACE_MS };
}

/** Whose the flags are. @param {Left | null} left @param {string} current the one in sight
 * @param {number} now @returns {string} */
export function owner(left, current, now) {
  return left && now < left.until ? left.id : current;
}

/** A flag was set: the next one may take as long again. @param {Left | null} left
 * @param {number} now @returns {Left | null} */
export function goOn(left, now) {
  return left && now < left.until ? { ...left, until: now + GRACE_MS } : null;
}
