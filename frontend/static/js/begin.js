/**
 * Puts the focus where the work begins, so that nobody has to click there first; not where a
 * keyboard would come up over what is to be read, nor when something in the page has the focus already.
 *
 * @param {HTMLElement} element
 */
export function beginAt(element) {
  const typed = element.matches("textarea");
  if (typed && matchMedia("(pointer: coarse)").matches) return;
  /** @type {(Element | null)[]} */
  const anywhere = [document.body, document.getElementById("main")];
  if (anywhere.includes(document.activeElement)) element.focus({ preventScroll: true });
}
