/**
 * The form that starts a round: asks at every change what the round would be, shows labels, time
 * and memory, puts each refusal beside its field, reads and keeps recipes, and sends it all off.
 *
 *   <form data-controller="start-round" data-action="start-round#submit input->start-round#changed">
 *     <input name="sft.epochs" data-kind="int"> <p data-start-round-target="error" data-for="sft.epochs" hidden>
 *   </form>
 *
 * @import { Answer } from "../api.js"
 * @import { Field } from "./form_body.js"
 * @import { Plan } from "./plan.js"
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";
import { slot } from "../find.js";
import { element } from "./elements.js";
import { number } from "./format.js";
import { countRows, estimateRows, judged, shareTables, showChecked } from "./plan.js";
import { differs, fill, recipeOf } from "./recipe_form.js";
import { refused, UNREACHABLE } from "./refused.js";
import { showAbsence } from "./round_parts.js";

const PAUSE_MS = 400;
const KEPT = "tutelage.recipe";

export default class extends /** @type {Typed<{
  element: Form<{
    name: HTMLInputElement, preset: HTMLInputElement, promote: HTMLSelectElement,
    start?: HTMLSelectElement, reward?: HTMLSelectElement, snapshot?: HTMLSelectElement,
  }>,
  targets: {
    error: WithData<"for">, problem: HTMLElement, absence: HTMLElement, button: HTMLButtonElement,
    counted: HTMLElement, counts: HTMLElement, shares: HTMLElement, choice: HTMLFieldSetElement,
    facts: HTMLElement, estimates: HTMLElement, judged: HTMLElement, notes: HTMLElement,
    checked: WithData<"checkPage">, differs: HTMLElement, find: HTMLInputElement, only: HTMLInputElement,
    none: HTMLElement, stage: WithData<"stage", HTMLDetailsElement>, yaml: HTMLTextAreaElement,
    yamlError: HTMLElement, recipeName: HTMLInputElement, replace: HTMLInputElement,
    saved: HTMLElement,
  },
  values: {url: string, check: string, read: string, recipes: string, page: string},
  fields: {timer?: Timer, asked?: number, plan?: Plan},
}>} */ (Controller) {
  static targets = ["error", "problem", "absence", "button", "counted", "counts", "shares", "choice", "facts", "estimates", "judged", "notes", "checked",
    "differs", "find", "only", "none", "stage", "yaml", "yamlError", "recipeName", "replace", "saved"];
  static values = { url: String, check: String, read: String, recipes: String, page: String };

  /** Until now a press of the button would have sent the bare form and lost what it says. */
  connect() {
    this.buttonTarget.disabled = false;
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (kept) fill(this.element, JSON.parse(kept));
    this.filter();
    this.#ask();
  }

  disconnect() {
    clearTimeout(this.timer);
  }

  /** Something was changed: mark it, and ask once nobody types any more. */
  changed() {
    this.filter();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), PAUSE_MS);
  }

  /** Fields that are no part of the recipe. @param {Event} event */
  ignore(event) {
    event.stopPropagation();
  }

  /** Show the settings that are looked for, of the chosen stages. @param {Event} [event] */
  filter(event) {
    event?.stopPropagation();
    const words = this.findTarget.value.trim().toLowerCase();
    const only = this.onlyTarget.checked;
    const chosen = new Set(recipeOf(this.element).stages);
    let [changed, found] = [0, 0];
    for (const stage of this.stageTargets) {
      const count = showStage(stage, chosen.has(stage.dataset.stage), words, only);
      changed += count.changed;
      found += count.found;
    }
    this.differsTarget.textContent = changed === 1 ? "1 differs from the preset" : `${changed || "None"} differ from the preset`;
    this.noneTarget.hidden = found > 0;
  }

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    this.buttonTarget.disabled = true;
    const answer = await call("POST", this.urlValue, this.body()).catch(() => null);
    this.buttonTarget.disabled = false;
    if (answer?.status === 201) {
      location.assign(`${this.pageValue}${answer.body.id}/change/`);
      return;
    }
    this.#refuse(answer ? problem(answer, "The round could not be started.") : "The server cannot be reached. Nothing is lost: try again in a moment.", answer?.body?.errors);
    this.problemTarget.scrollIntoView({ block: "nearest" });
  }

  /** The request: preset, name, versions, labels, and every value of the form as the recipe. */
  body() {
    const { name, start, reward, snapshot, preset } = this.element.elements;
    const id = (/** @type {HTMLSelectElement | undefined} */ field) => (field?.value ? Number(field.value) : null);
    return { preset: preset.value, name: name.value, start: id(start), reward: id(reward), snapshot: id(snapshot), recipe: recipeOf(this.element) };
  }

  /** @param {On<HTMLInputElement, HTMLInputElement>} event */
  async open({ target }) {
    if (!target.files?.length) return;
    this.yamlTarget.value = await target.files[0].text();
    target.value = "";
    this.fill();
  }

  /** Fill the form with the YAML; one of another preset needs that preset's page. */
  async fill() {
    const { preset } = this.element.elements;
    const answer = await call("POST", this.readValue, { yaml: this.yamlTarget.value, preset: preset.value }).catch(() => null);
    const good = answer?.status === 200;
    this.yamlErrorTarget.hidden = good;
    this.yamlErrorTarget.textContent = good ? "" : everyRefusal(answer);
    if (!good) return;
    if (answer.body.preset !== preset.value) {
      sessionStorage.setItem(KEPT, JSON.stringify(answer.body.recipe));
      location.assign(`?preset=${encodeURIComponent(answer.body.preset)}`);
      return;
    }
    fill(this.element, answer.body.recipe);
    this.savedTarget.textContent = "The form is filled with the recipe.";
    this.changed();
  }

  async show() {
    await this.#ask();
    if (this.plan?.yaml) this.yamlTarget.value = this.plan.yaml;
  }

  async download() {
    await this.show();
    if (!this.plan?.yaml) return;
    const link = element("a", { download: "recipe.yaml", href: URL.createObjectURL(new Blob([this.plan.yaml], { type: "text/yaml" })) });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async save() {
    const { preset, recipe } = this.body();
    const body = { name: this.recipeNameTarget.value, preset, recipe, replace: this.replaceTarget.checked };
    const answer = await call("POST", this.recipesValue, body).catch(() => null);
    this.savedTarget.textContent = answer?.status === 201 ? `Saved as ${answer.body.name}.` : answer ? problem(answer, refused(answer)) : UNREACHABLE;
  }

  async #ask() {
    const asked = (this.asked = (this.asked ?? 0) + 1);
    const answer = await call("POST", this.checkValue, this.body()).catch(() => null);
    if (asked !== this.asked) return; // a newer question is under way
    if (answer?.status === 200) this.#show(answer.body);
    else this.#refuse(answer ? problem(answer, "The form could not be checked.") : UNREACHABLE, answer?.body?.errors);
  }

  /** @param {Plan} plan */
  #show(plan) {
    this.plan = plan;
    const { labels, comparisons, shares, estimates, ahead, absence } = plan;
    if (Object.keys(plan.needed).length) this.countsTarget.replaceChildren(...countRows(plan));
    const open = [.../** @type {NodeListOf<WithData<"title">>} */ (this.sharesTarget.querySelectorAll("details[open]"))].map((one) => one.dataset.title);
    this.sharesTarget.replaceChildren(...shareTables(shares, new Set(open)));
    this.choiceTarget.disabled = Boolean(this.element.elements.snapshot?.value);
    this.countedTarget.textContent = `${number(comparisons)} comparisons from ${number(labels.rankings)} rankings, ${number(labels.demonstrations)} demonstrations`;
    const facts = [["Comparisons", number(comparisons)], ["Demonstrations", number(labels.demonstrations)],
      ...(plan.context ? [["The start reads", `${number(plan.context)} tokens in all`]] : []),
      ["In line", ahead ? `${number(ahead)} ${ahead === 1 ? "round goes" : "rounds go"} first` : absence ? "waits for a worker" : "starts at once"]];
    this.factsTarget.replaceChildren(...facts.flatMap(([term, value]) => [element("dt", {}, [term]), element("dd", {}, [value])]));
    this.estimatesTarget.replaceChildren(...estimateRows(estimates));
    this.judgedTarget.textContent = estimates.length ? judged(estimates) : "";
    this.notesTarget.textContent = plan.notes.join(" ");
    showChecked(this.checkedTarget, plan.checked);
    showAbsence(this.absenceTarget, absence);
    this.#refuse(plan.problem, plan.errors);
  }

  /** @param {string} sentence @param {Plan["errors"]} [errors] */
  #refuse(sentence, errors = {}) {
    for (const place of this.errorTargets) this.#mark(place, errors?.[place.dataset.for]);
    this.problemTarget.textContent = sentence;
    this.problemTarget.hidden = !sentence;
  }

  /** @param {WithData<"for">} place @param {string | string[] | undefined} error */
  #mark(place, error) {
    place.hidden = !error;
    place.textContent = error ? [error].flat().join(" ") : "";
    const input = this.element.elements.namedItem(place.dataset.for);
    if (input instanceof Element) input.setAttribute("aria-invalid", String(Boolean(error)));
    if (error) place.closest("details")?.setAttribute("open", "");
  }
}

/** Show what is looked for in one stage; how many settings differ, and how many are shown.
 * @param {HTMLDetailsElement} stage @param {boolean} chosen @param {string} words @param {boolean} only */
function showStage(stage, chosen, words, only) {
  const count = { changed: 0, found: 0 };
  for (const row of /** @type {NodeListOf<WithData<"words">>} */ (stage.querySelectorAll("[data-setting]"))) {
    const input = /** @type {Field} */ (row.querySelector("[data-usual]"));
    const isChanged = differs(input);
    const note = slot(row, "usual");
    row.toggleAttribute("data-changed", isChanged);
    note.hidden = !isChanged;
    note.textContent = isChanged ? `Preset: ${input.dataset.usual}` : "";
    row.hidden = (only && !isChanged) || !row.dataset.words.replaceAll("_", " ").toLowerCase().includes(words.replaceAll("_", " "));
    count.changed += Number(isChanged && chosen);
    count.found += Number(!row.hidden && chosen);
  }
  stage.hidden = !chosen || ((only || words !== "") && !count.found);
  if (chosen && (only || words) && count.found) stage.open = true;
  const badge = slot(stage, "changed");
  badge.hidden = !count.changed;
  badge.textContent = `${count.changed} changed`;
  return count;
}

/** Every mistake in a file, a line each. @param {Answer | null} answer */
function everyRefusal(answer) {
  const errors = Object.entries(answer?.body?.errors ?? {});
  return errors.length ? errors.map(([field, words]) => `${field} ${[words].flat().join(" ")}`).join("\n") : refused(answer);
}
