/**
 * The rendered completions. They stand in the page once, in step one; whoever else shows one takes
 * a copy.
 *
 * @module
 */

/** A completion's heading and text. @param {string} id @returns {Node[]} */
export function copyOf(id) {
  return [...article(id).children].map((child) => child.cloneNode(true));
}

/** Its text alone. @param {string} id @returns {HTMLElement} */
export function textOf(id) {
  return /** @type {HTMLElement} */ (article(id).querySelector(".reading")?.cloneNode(true));
}

/** "Completion B". @param {string} id @returns {string} */
export function nameOf(id) {
  return article(id).getAttribute("aria-label") ?? "";
}

/** @param {string} id */
function article(id) {
  return /** @type {HTMLElement} */ (document.getElementById(`completion-${id}`));
}
