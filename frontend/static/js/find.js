/** What a page is known to have: where it does not, template and script do not agree. @module */

/** @template {Element} E
 * @param {ParentNode} root @param {string} selector @param {new () => E} type what it must be
 * @returns {E} the first @throws {TypeError} where the first is no such element or there is none */
export function find(root, selector, type) {
  const found = root.querySelector(selector);
  if (found instanceof type) return found;
  throw new TypeError(`There is no ${type.name} at ${selector}.`);
}

/** The place of that name for what a script has to say. @param {ParentNode} root @param {string} name */
export function slot(root, name) {
  return find(root, `[data-slot="${name}"]`, HTMLElement);
}

/** A copy of the one element in a template. @param {HTMLTemplateElement} template */
export function stamp({ content }) {
  return /** @type {HTMLElement} */ (find(content, "*", HTMLElement).cloneNode(true));
}
