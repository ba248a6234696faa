/**
 * The form of a recipe as values, and values back into the form.
 *
 *   <input name="sft.epochs" data-kind="int" data-usual="2">   a setting, and the preset's value
 *   <input name="labels.since" data-kind="text">               left out where it is empty
 *   <input type="checkbox" data-list="use_cases" value="chat"> one of a list; data-whole: a number
 *
 * @typedef {import("./form_body.js").Field} Field
 * @typedef {Form<{promote: HTMLSelectElement}>} RecipeForm
 * @module
 */

/** @param {RecipeForm} form @returns {Record<string, any>} the recipe it says */
export function recipeOf(form) {
  const recipe = { promote: form.elements.promote.value, stages: /** @type {string[]} */ ([]), labels: /** @type {Record<string, (string | number)[]>} */ ({}) };
  for (const box of boxes(form, '[name="stages"]:checked')) recipe.stages.push(box.value);
  for (const input of settings(form)) {
    if (!input.name.startsWith("labels.") || input.value.trim()) put(recipe, input.name.split("."), valueOf(input));
  }
  for (const box of boxes(form, "[data-list]:checked")) {
    (recipe.labels[box.dataset.list] ??= []).push("whole" in box.dataset ? Number(box.value) : box.value);
  }
  return recipe;
}

/** @param {RecipeForm} form @param {Record<string, any>} recipe complete */
export function fill(form, recipe) {
  form.elements.promote.value = recipe.promote;
  for (const box of boxes(form, '[name="stages"]')) box.checked = recipe.stages.includes(box.value);
  for (const input of settings(form)) write(input, get(recipe, input.name.split(".")));
  for (const box of boxes(form, "[data-list]")) {
    box.checked = (recipe.labels?.[box.dataset.list] ?? []).map(String).includes(box.value);
  }
}

/** @param {RecipeForm} form @param {string} selector @returns {NodeListOf<WithData<"list", HTMLInputElement>>} */
function boxes(form, selector) {
  return form.querySelectorAll(selector);
}

/** @param {RecipeForm} form @returns {NodeListOf<Field>} */
function settings(form) {
  return form.querySelectorAll("[data-kind]");
}

/** Whether a setting is not the preset's. @param {Field} input */
export function differs(input) {
  const { usual, kind } = input.dataset;
  if (kind === "bool") return String(isTicked(input)) !== usual;
  const value = valueOf(input);
  return typeof value === "number" ? value !== Number(usual) : value !== usual;
}

/** The input's value as its kind; what is no number goes as it is, and the server says so.
 * @param {Field} input */
function valueOf(input) {
  if (input.dataset.kind === "bool") return isTicked(input);
  if (["str", "text"].includes(input.dataset.kind ?? "")) return input.value;
  const text = input.value.trim().replace(",", ".");
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

/** @param {Field} input */
function isTicked(input) {
  return input instanceof HTMLInputElement && input.checked;
}

/** @param {Field} input @param {unknown} value */
function write(input, value) {
  if (input instanceof HTMLInputElement && input.dataset.kind === "bool") input.checked = Boolean(value);
  else if (input.type === "date") input.value = String(value ?? "").slice(0, 10);
  else input.value = value === undefined ? "" : String(value);
}

/** @param {Record<string, any>} recipe @param {string[]} address @param {unknown} value */
function put(recipe, [first, second], value) {
  if (second === undefined) recipe[first] = value;
  else (recipe[first] ??= {})[second] = value;
}

/** @param {Record<string, any>} recipe @param {string[]} address */
function get(recipe, [first, second]) {
  return second === undefined ? recipe[first] : recipe[first]?.[second];
}
