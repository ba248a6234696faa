/**
 * Ranking as tiers: a list of bands from best to worst, each a list of completion ids that are
 * tied because they stand at one height. Pure functions; keys and mouse both call these.
 *
 * @typedef {string[][]} Tiers
 * @module
 */

/** Bands by falling rating, equal ratings tied, the given order kept inside a band.
 * @param {string[]} ids @param {Record<string, number>} ratings @returns {Tiers} */
export function fromRatings(ids, ratings) {
  const levels = [...new Set(ids.map((id) => ratings[id]))].sort((a, b) => b - a);
  return levels.map((level) => ids.filter((id) => ratings[id] === level));
}

/** The index of the band that holds `id`, or -1. @param {Tiers} tiers @param {string} id */
export function bandOf(tiers, id) {
  return tiers.findIndex((band) => band.includes(id));
}

/** One step towards best: out of a tie into a band of its own, else into the band above; from
 * beside the board to its lowest place. @param {Tiers} tiers @param {string} id @returns {Tiers} */
export function moveUp(tiers, id) {
  if (bandOf(tiers, id) < 0) return insertBand(tiers, id, tiers.length);
  return isTied(tiers, id) ? split(tiers, id, "above") : tieWithAbove(tiers, id);
}

/** One step towards worst; the mirror of moveUp, which never leaves the board.
 * @param {Tiers} tiers @param {string} id @returns {Tiers} */
export function moveDown(tiers, id) {
  if (bandOf(tiers, id) < 0) return tiers;
  return isTied(tiers, id) ? split(tiers, id, "below") : tieWithBelow(tiers, id);
}

/** Join the band above. @param {Tiers} tiers @param {string} id @returns {Tiers} */
export function tieWithAbove(tiers, id) {
  return placeInBand(tiers, id, bandOf(tiers, id) - 1);
}

/** Join the band below. @param {Tiers} tiers @param {string} id @returns {Tiers} */
export function tieWithBelow(tiers, id) {
  return placeInBand(tiers, id, bandOf(tiers, id) + 1);
}

/** Leave a tie for a new band right above or below it.
 * @param {Tiers} tiers @param {string} id @param {"above" | "below"} side @returns {Tiers} */
export function split(tiers, id, side) {
  const band = bandOf(tiers, id);
  return isTied(tiers, id) ? insertBand(tiers, id, side === "above" ? band : band + 1) : tiers;
}

/** Put `id` into the band at `index` as `tiers` stands now; outside the board nothing moves.
 * @param {Tiers} tiers @param {string} id @param {number} index @returns {Tiers} */
export function placeInBand(tiers, id, index) {
  if (index < 0 || index >= tiers.length || tiers[index].includes(id)) return tiers;
  return without(tiers, id, (band, at) => (at === index ? [...band, id] : band));
}

/** Open a new band for `id` before the band at `gap` (0 is the top, tiers.length the bottom).
 * @param {Tiers} tiers @param {string} id @param {number} gap @returns {Tiers} */
export function insertBand(tiers, id, gap) {
  const opened = [...tiers.slice(0, gap), [], ...tiers.slice(gap)];
  return without(opened, id, (band, at) => (at === gap ? [id] : band));
}

/** Take `id` off the board. @param {Tiers} tiers @param {string} id @returns {Tiers} */
export function takeOff(tiers, id) {
  return without(tiers, id, (band) => band);
}

/** Those of `ids` that stand on no band, in their given order.
 * @param {Tiers} tiers @param {string[]} ids @returns {string[]} */
export function unranked(tiers, ids) {
  return ids.filter((id) => bandOf(tiers, id) < 0);
}

/** Whether both order the same ids the same way; order inside a band means nothing.
 * @param {Tiers} a @param {Tiers} b */
export function sameOrder(a, b) {
  const flat = (/** @type {Tiers} */ tiers) => tiers.map((band) => [...band].sort());
  return JSON.stringify(flat(a)) === JSON.stringify(flat(b));
}

/** Whether `tiers` holds each of `ids` exactly once and no empty band.
 * @param {Tiers} tiers @param {string[]} ids */
export function isComplete(tiers, ids) {
  return fits(tiers, ids) && unranked(tiers, ids).length === 0;
}

/** Whether `tiers` holds nothing but `ids`, none of them twice, and no empty band.
 * @param {Tiers} tiers @param {string[]} ids */
export function fits(tiers, ids) {
  const held = tiers.flat();
  return tiers.every((band) => band.length > 0)
    && new Set(held).size === held.length
    && held.every((id) => ids.includes(id));
}

/** @param {Tiers} tiers @param {string} id */
function isTied(tiers, id) {
  return (tiers[bandOf(tiers, id)] ?? []).length > 1;
}

/** Take `id` out of every band, let `change` put it where it belongs, drop bands left empty.
 * @param {Tiers} tiers @param {string} id
 * @param {(band: string[], at: number) => string[]} change @returns {Tiers} */
function without(tiers, id, change) {
  return tiers
    .map((band, at) => change(band.filter((other) => other !== id), at))
    .filter((band) => band.length > 0);
}
