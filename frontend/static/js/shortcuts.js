/**
 * Keys as they are declared in the page: <button aria-keyshortcuts="Control+Enter">. Pure but for
 * reading elements.
 *
 *   data-shortcut-scope  around several: their keys work while the focus is inside, or nowhere
 *   data-shortcut-label  what the help sheet says, where the element's own words are not enough
 *   data-shortcut-group  elements with one group share a line of the sheet
 *
 * @module
 */

const NAMES = { " ": "Space", Esc: "Escape" };
const TEXT_FIELDS = "input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]";
const NATIVE = "button, a[href], summary, input[type=checkbox], input[type=radio]";

/** The key as aria-keyshortcuts writes it, single letters in lower case. @param {KeyboardEvent} event */
export function keyOf(event) {
  // Alt makes other letters on a Mac; the key that was pressed is the one that is meant.
  const letter = event.altKey ? /^Key([A-Z])$/.exec(event.code)?.[1] : undefined;
  const key = letter ?? NAMES[/** @type {keyof NAMES} */ (event.key)] ?? event.key;
  const control = event.ctrlKey || event.metaKey;
  const held = [control && "control", event.altKey && "alt", control && event.shiftKey && "shift"];
  return [...held.filter(Boolean), key].join("+").toLowerCase();
}

/** The keys an element declares. @param {Element} element @returns {string[]} */
export function keysOf(element) {
  return (element.getAttribute("aria-keyshortcuts") ?? "").split(" ").filter(Boolean);
}

/** Whether a key pressed in `target` belongs to what is there: typing, or pressing a button.
 * @param {string} key @param {Element} target */
export function isSpokenFor(key, target) {
  const plain = !/^(control|alt)\+|^escape$/.test(key);
  if (target.closest(TEXT_FIELDS)) return plain;
  return Boolean(target.closest(NATIVE)) && ["enter", "space"].includes(key);
}

/** Whether a key is one character without Control or Alt, which a user may switch off.
 * @param {string} key */
export function isSingleCharacter(key) {
  return key.length === 1;
}

/** The element in sight that declares `key`, the innermost dialog first.
 * @param {Document} page @param {string} key @returns {HTMLElement | undefined} */
export function findTarget(page, key) {
  const dialog = page.querySelector("dialog[open]");
  return declared(dialog ?? page).find((element) =>
    keysOf(element).some((own) => own.toLowerCase() === key) && inScope(page, element));
}

/** One line of the help sheet for each group of keys in sight.
 * @param {Document} page @returns {{label: string, keys: string[]}[]} */
export function sheet(page) {
  const lines = new Map();
  for (const element of declared(page)) {
    const label = element.dataset.shortcutGroup ?? labelOf(element);
    lines.set(label, [...(lines.get(label) ?? []), ...keysOf(element)]);
  }
  return [...lines].map(([label, keys]) => ({ label, keys }));
}

/** @param {ParentNode} root @returns {HTMLElement[]} */
function declared(root) {
  const all = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[aria-keyshortcuts]")]);
  const usable = (/** @type {HTMLElement} */ element) => element.checkVisibility() && !element.closest("[inert]");
  return all.filter((element) => usable(element) && !element.matches(":disabled, [aria-disabled=true]"));
}

/** @param {Document} page @param {Element} element */
function inScope(page, element) {
  const scope = element.closest("[data-shortcut-scope]");
  const focused = page.activeElement;
  return !scope || !focused || focused === page.body || scope.contains(focused);
}

/** @param {HTMLElement} element */
function labelOf(element) {
  return element.dataset.shortcutLabel ?? element.getAttribute("aria-label") ?? withoutKeys(element);
}

/** @param {HTMLElement} element */
function withoutKeys(element) {
  const copy = /** @type {HTMLElement} */ (element.cloneNode(true));
  copy.querySelectorAll("kbd").forEach((key) => key.remove());
  return (copy.textContent ?? "").trim().replace(/\s+/g, " ");
}
