/**
 * What a stage's model said at two of its steps, side by side, prompt by prompt.
 *
 *   <section data-controller="round-samples" data-round-samples-url-value="…"
 *            data-action="round:told@window->round-samples#told">
 *     <select data-round-samples-target="stage"></select>
 *     <select data-round-samples-target="earlier"></select> <select data-round-samples-target="later"></select>
 *   </section>
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { element } from "./elements.js";
import { number } from "./format.js";
import { sampleGroup } from "./samples.js";

export default class extends /** @type {Typed<{
  targets: {
    stage: HTMLSelectElement, earlier: HTMLSelectElement, later: HTMLSelectElement,
    list: HTMLElement, problem: HTMLElement,
  },
  values: {url: string},
  fields: {steps: Record<string, number[]>, atNewest?: boolean, known?: string},
}>} */ (Controller) {
  static targets = ["stage", "earlier", "later", "list", "problem"];
  static values = { url: String };

  /** New steps were sampled: offer them, and show the newest where that was shown before.
   * @param {CustomEvent<{sample_steps: Record<string, number[]>, titles: Map<string, string>}>} event */
  told({ detail: { sample_steps: steps, titles } }) {
    this.steps = steps;
    const known = JSON.stringify(steps);
    this.element.hidden = known === "{}";
    if (known === this.known || this.element.hidden) return;
    const follow = this.atNewest ?? true;
    this.known = known;
    const stages = [...titles].filter(([stage]) => steps[stage]);
    const chosen = follow ? stages.at(-1)?.[0] : this.stageTarget.value;
    fillSelect(this.stageTarget, stages, chosen);
    this.#offer(follow);
    this.show();
  }

  chooseStage() {
    this.#offer(true);
    this.show();
  }

  async show() {
    const stage = this.stageTarget.value;
    const steps = this.steps[stage] ?? [];
    const [earlier, later] = [Number(this.earlierTarget.value), Number(this.laterTarget.value)];
    this.atNewest = later === steps.at(-1) && stage === this.stageTarget.options[this.stageTarget.options.length - 1].value;
    const wanted = [...new Set([earlier, later])];
    const answers = await Promise.all(wanted.map((step) => this.#rows(stage, step))).catch(() => null);
    this.problemTarget.hidden = answers !== null;
    if (answers) this.listTarget.replaceChildren(...sampleGroup(wanted, answers));
  }

  /** @param {string} stage @param {number} step @returns {Promise<import("./samples.js").Row[]>} */
  async #rows(stage, step) {
    const answer = await call("GET", `${this.urlValue}?stage=${encodeURIComponent(stage)}&step=${step}`);
    if (answer.status !== 200) throw new Error("no samples");
    return answer.body.rows;
  }

  /** @param {boolean} afresh */
  #offer(afresh) {
    const steps = this.steps[this.stageTarget.value] ?? [];
    /** @type {[string, string][]} */
    const options = steps.map((step) => [String(step), `Step ${number(step)}`]);
    fillSelect(this.earlierTarget, options, afresh ? String(steps[0]) : this.earlierTarget.value);
    fillSelect(this.laterTarget, options, afresh ? String(steps.at(-1)) : this.laterTarget.value);
  }
}

/** @param {HTMLSelectElement} select @param {[string, string][]} options @param {string | undefined} value */
function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([key, title]) => element("option", { value: key }, [title])));
  select.value = value ?? "";
}
