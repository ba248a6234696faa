/**
 * Builds the board: bands from best to worst, between them gaps where a new band can open, and
 * below them the pool of what is not ranked.
 *
 * @typedef {import("./tiers.js").Tiers} Tiers
 * @module
 */
import { _, say } from "./i18n.js";

/** @param {Tiers} tiers @param {string[]} left those on no band
 * @param {(id: string) => HTMLElement} card @returns {HTMLElement[]} */
export function board(tiers, left, card) {
  const bands = tiers.flatMap((ids, at) => [gap(at), band(ids.map(card), at)]);
  return [...bands, gap(tiers.length), worst(), pool(left.map(card))];
}

/** @param {HTMLElement[]} cards @param {number} at @returns {HTMLElement} */
export function band(cards, at) {
  const element = document.createElement("div");
  element.className = "band";
  element.dataset.rank = String(at + 1);
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", bandName(cards.length, at));
  element.append(rankSign(at), row(cards, at));
  return element;
}

/** The lower end, in words. */
function worst() {
  const element = document.createElement("p");
  element.className = "board-end small quiet";
  element.setAttribute("aria-hidden", "true");
  element.textContent = _("worst");
  return element;
}

/** @param {HTMLElement[]} cards @returns {HTMLElement} */
function pool(cards) {
  const element = document.createElement("div");
  element.className = "pool";
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", _("Not ranked yet"));
  const place = document.createElement("div");
  place.className = "band-cards";
  place.dataset.pool = "";
  place.append(...cards);
  element.append(place);
  return element;
}

/** @param {number} count @param {number} at */
function bandName(count, at) {
  if (count === 1) return say(_("Rank %(rank)s"), { rank: at + 1 });
  return say(_("Rank %(rank)s, tie of %(count)s"), { rank: at + 1, count });
}

/** @param {number} at */
function rankSign(at) {
  const sign = document.createElement("span");
  sign.className = "band-rank";
  sign.setAttribute("aria-hidden", "true");
  sign.textContent = String(at + 1);
  return sign;
}

/** @param {HTMLElement[]} cards @param {number} at */
function row(cards, at) {
  const element = document.createElement("div");
  element.className = "band-cards";
  element.dataset.band = String(at);
  element.append(...cards);
  return element;
}

/** @param {number} at */
function gap(at) {
  const element = document.createElement("div");
  element.className = "gap";
  element.dataset.gap = String(at);
  return element;
}
