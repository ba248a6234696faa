/**
 * Translated words. The page loads Django's JavaScript catalogue first; without it, as in node's
 * tests, English stands.
 *
 * @module
 */

/** @param {string} text @returns {string} */
export function _(text) {
  return globalThis.gettext ? globalThis.gettext(text) : text;
}

/** Put values into their places: say(_("Saved %(at)s"), { at }). @param {string} text translated
 * @param {Record<string, string | number>} values @returns {string} */
export function say(text, values) {
  return text.replace(/%\((\w+)\)s/g, (whole, name) => String(values[name] ?? whole));
}

/** The sentence for one or for many, with its values. @param {string} one @param {string} many
 * @param {number} count @param {Record<string, string | number>} [values] @returns {string} */
export function ngettext(one, many, count, values = {}) {
  const english = count === 1 ? one : many;
  const text = globalThis.ngettext ? globalThis.ngettext(one, many, count) : english;
  return say(text, { count, ...values });
}

/** A time of day as the reader writes it. @param {number | string | Date} moment */
export function clock(moment) {
  const language = globalThis.document?.documentElement.lang || "en";
  return new Date(moment).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** A list in words: "A, B and C". @param {string[]} items */
export function listed(items) {
  const language = globalThis.document?.documentElement.lang || "en";
  return new Intl.ListFormat(language).format(items);
}
