/**
 * Puts the focus where the work begins, so that nobody has to click there first; not where a
 * keyboard would come up over what is to be read, nor when something has the focus already.
 *
 * @param {HTMLElement} element
 */
export function beginAt(element) {
  const typed = element.matches("textarea");
  if (typed && matchMedia("(pointer: coarse)").matches) return;
  if (document.activeElement === document.body) element.focus({ preventScroll: true });
}
