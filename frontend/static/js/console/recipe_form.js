/**
 * The form of a recipe as values, and values back into the form.
 *
 *   <input name="sft.epochs" data-kind="int" data-usual="2">   a setting, and the preset's value
 *   <input name="labels.since" data-kind="text">               left out where it is empty
 *   <input type="checkbox" data-list="use_cases" value="chat"> one of a list; data-whole: a number
 * @module
 */

/** @param {HTMLFormElement} form @returns {Record<string, any>} the recipe it says */
export function recipeOf(form) {
  const recipe = { promote: form.elements.promote.value, stages: /** @type {string[]} */ ([]), labels: /** @type {any} */ ({}) };
  for (const box of form.querySelectorAll('[name="stages"]:checked')) recipe.stages.push(box.value);
  for (const input of form.querySelectorAll("[data-kind]")) {
    if (!input.name.startsWith("labels.") || input.value.trim()) put(recipe, input.name.split("."), valueOf(input));
  }
  for (const box of form.querySelectorAll("[data-list]:checked")) {
    (recipe.labels[box.dataset.list] ??= []).push("whole" in box.dataset ? Number(box.value) : box.value);
  }
  return recipe;
}

/** @param {HTMLFormElement} form @param {Record<string, any>} recipe complete */
export function fill(form, recipe) {
  form.elements.promote.value = recipe.promote;
  for (const box of form.querySelectorAll('[name="stages"]')) box.checked = recipe.stages.includes(box.value);
  for (const input of form.querySelectorAll("[data-kind]")) write(input, get(recipe, input.name.split(".")));
  for (const box of form.querySelectorAll("[data-list]")) {
    box.checked = (recipe.labels?.[box.dataset.list] ?? []).map(String).includes(box.value);
  }
}

/** Whether a setting is not the preset's. @param {HTMLInputElement} input */
export function differs(input) {
  const { usual, kind } = input.dataset;
  if (kind === "bool") return String(input.checked) !== usual;
  const value = valueOf(input);
  return typeof value === "number" ? value !== Number(usual) : value !== usual;
}

/** The input's value as its kind; what is no number goes as it is, and the server says so. */
function valueOf(input) {
  if (input.dataset.kind === "bool") return input.checked;
  if (["str", "text"].includes(input.dataset.kind)) return input.value;
  const text = input.value.trim().replace(",", ".");
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

function write(input, value) {
  if (input.dataset.kind === "bool") input.checked = Boolean(value);
  else if (input.type === "date") input.value = String(value ?? "").slice(0, 10);
  else input.value = value === undefined ? "" : String(value);
}

function put(recipe, [first, second], value) {
  if (second === undefined) recipe[first] = value;
  else (recipe[first] ??= {})[second] = value;
}

function get(recipe, [first, second]) {
  return second === undefined ? recipe[first] : recipe[first]?.[second];
}
