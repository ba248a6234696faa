/**
 * An element the page is known to have.
 *
 * @template {Element} E
 * @param {ParentNode} root @param {string} selector @param {new () => E} type what it must be
 * @returns {E} the first @throws {TypeError} where there is none: template and script do not agree
 */
export function find(root, selector, type) {
  const found = root.querySelector(selector);
  if (found instanceof type) return found;
  throw new TypeError(`There is no ${type.name} at ${selector}.`);
}
