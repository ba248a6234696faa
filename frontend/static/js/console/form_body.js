/**
 * What a form says as the body of a request.
 *
 * @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Field
 * @typedef {{[name: string]: unknown}} Body
 * @module
 */

/** What the form says; an empty field says nothing. @param {HTMLFormElement} form */
export function body(form) {
  /** @type {Body} */
  const said = {};
  for (const field of /** @type {NodeListOf<Field>} */ (form.querySelectorAll("[name]"))) {
    if ((field.value === "" && !field.required) || isUnticked(field)) continue;
    const path = field.name.split(".");
    const place = path.slice(0, -1).reduce((object, name) => /** @type {Body} */ (object[name] ??= {}), said);
    place[path[path.length - 1]] = (KINDS[field.dataset.kind ?? ""] ?? String)(field.value);
  }
  return said;
}

/** @param {Field} field */
function isUnticked(field) {
  return field instanceof HTMLInputElement && field.type === "checkbox" && !field.checked;
}

/** How a field's `data-kind` is read; what cannot be read goes along for the API to refuse.
 * @type {Record<string, (text: string) => unknown>} */
const KINDS = {
  yes: () => true,
  number: Number,
  list: (text) => text.split(/[\s,]+/).filter(Boolean),
  json: parsed,
  options: (text) => Object.fromEntries(text.split("\n").filter((line) => line.trim()).map(option)),
};

/** A line as name and value: `enable_thinking=false`. @param {string} line */
function option(line) {
  const [name, ...value] = line.split("=");
  return [name.trim(), parsed(value.join("=").trim())];
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
