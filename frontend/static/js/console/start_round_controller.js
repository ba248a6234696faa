/**
 * Sends the form that starts a round as a recipe, and puts each refusal beside its field.
 *
 *   <form data-controller="start-round" data-action="start-round#submit">
 *     <input name="sft.epochs" data-kind="int"> <p data-start-round-target="error" data-for="sft.epochs" hidden>
 *   </form>
 */
import { Controller } from "@hotwired/stimulus";

import { call, problem } from "../api.js";

export default class extends Controller {
  static targets = ["error", "problem", "button"];
  static values = { url: String, page: String };

  /** Until now a press of the button would have sent the bare form and lost what it says. */
  connect() {
    this.buttonTarget.disabled = false;
  }

  async submit(event) {
    event.preventDefault();
    this.buttonTarget.disabled = true;
    const answer = await call("POST", this.urlValue, this.body()).catch(() => null);
    this.buttonTarget.disabled = false;
    if (answer?.status === 201) {
      location.assign(`${this.pageValue}${answer.body.id}/change/`);
    } else {
      this.#refuse(answer);
    }
  }

  /** The request: preset, name, start, and every value of the form as the recipe. */
  body() {
    const { name, start, preset, promote } = this.element.elements;
    const recipe = { promote: promote.value, stages: [] };
    for (const box of this.element.querySelectorAll('[name="stages"]:checked')) recipe.stages.push(box.value);
    for (const input of this.element.querySelectorAll("[data-kind]")) put(recipe, input.name.split("."), valueOf(input));
    return { preset: preset.value, name: name.value, start: start.value ? Number(start.value) : null, recipe };
  }

  #refuse(answer) {
    const errors = answer?.body?.errors ?? {};
    for (const place of this.errorTargets) this.#mark(place, errors[place.dataset.for]);
    this.problemTarget.textContent = answer ? problem(answer, "The round could not be started.") : "The server cannot be reached. Nothing is lost: try again in a moment.";
    this.problemTarget.hidden = false;
    this.problemTarget.scrollIntoView({ block: "nearest" });
  }

  #mark(place, error) {
    place.hidden = !error;
    place.textContent = error ? [error].flat().join(" ") : "";
    const input = this.element.elements[place.dataset.for];
    if (input?.setAttribute) input.setAttribute("aria-invalid", String(Boolean(error)));
    if (error) place.closest("details")?.setAttribute("open", "");
  }
}

/** The input's value as its kind; what is no number goes as it is, and the server says so. */
function valueOf(input) {
  if (input.dataset.kind === "bool") return input.checked;
  if (input.dataset.kind === "str") return input.value;
  const text = input.value.trim().replace(",", ".");
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

function put(recipe, [first, second], value) {
  if (second === undefined) recipe[first] = value;
  else (recipe[first] ??= {})[second] = value;
}
