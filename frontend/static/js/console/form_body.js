/** What a form says as the body of a request. @module */

/** What the form says; an empty field says nothing. @param {HTMLFormElement} form */
export function body(form) {
  const said = {};
  for (const input of form.querySelectorAll("[name]")) {
    if ((input.value === "" && !input.required) || (input.type === "checkbox" && !input.checked)) continue;
    const path = input.name.split(".");
    const last = path.pop();
    const place = path.reduce((object, name) => (object[name] ??= {}), said);
    place[last] = (KINDS[input.dataset.kind] ?? String)(input.value);
  }
  return said;
}

/** How a field's `data-kind` is read; what cannot be read goes along for the API to refuse. */
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
