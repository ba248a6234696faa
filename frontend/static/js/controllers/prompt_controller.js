/**
 * Writing a prompt: plain, few-shot with pairs of input and output, or after a use case.
 *
 *   <form data-controller="prompt" data-action="input->prompt#change submit->prompt#submit">
 *     <input type="radio" name="prompt_kind" value="plain">
 *     <fieldset data-prompt-target="pair">… <button data-action="prompt#remove"></fieldset>
 *     <template data-prompt-target="blank">…</template>
 *
 * @typedef {{input: string, output: string}} Pair
 * @typedef {{prompt_kind?: string, instruction?: string, use_case?: string, examples?: Pair[]}} Draft
 */
import { Controller } from "@hotwired/stimulus";

import { call } from "../api.js";
import { beginAt } from "../begin.js";
import { find, stamp } from "../find.js";
import { _, listed, say } from "../i18n.js";

const FEWEST_PAIRS = 2;
const ALIKE_MS = 600;
const ALIKE = 0.5; // share of a text's runs of three words

export default class extends /** @type {Typed<{
  element: HTMLFormElement,
  targets: {
    kind: HTMLInputElement, instruction: HTMLTextAreaElement, useCase: HTMLSelectElement,
    examples: HTMLElement, pairs: HTMLElement, pair: HTMLFieldSetElement,
    blank: HTMLTemplateElement, error: HTMLElement, alike: HTMLElement, personal: HTMLElement,
  },
  values: {alike: string, personal: string},
  fields: {timer?: Timer, asking?: boolean, confirmed?: string},
}>} */ (Controller) {
  static targets = ["kind", "instruction", "useCase", "examples", "pairs", "pair", "blank", "error", "alike", "personal"];
  static values = { alike: String, personal: String };

  connect() {
    this.dispatch("ready", { prefix: "work", detail: { load: (/** @type {Draft} */ draft) => this.load(draft) } });
    beginAt(this.instructionTarget);
  }

  /** @param {Draft} draft */
  load(draft) {
    const kind = draft.prompt_kind ?? this.kindTargets[0].value;
    for (const choice of this.kindTargets) choice.checked = choice.value === kind;
    this.instructionTarget.value = draft.instruction ?? "";
    if (draft.use_case) this.useCaseTarget.value = draft.use_case;
    this.pairsTarget.replaceChildren();
    for (const pair of draft.examples ?? []) this.append(pair);
    this.refresh();
  }

  disconnect() {
    clearTimeout(this.timer);
  }

  change() {
    this.refresh();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.compare(), ALIKE_MS);
    this.dispatch("near", { prefix: "work" });
    this.dispatch("change", { prefix: "work", detail: { draft: this.draft() } });
  }

  /** Say when the instruction is much like one of the labeler's own latest prompts. */
  async compare() {
    const text = this.instructionTarget.value;
    const answer = await call("POST", this.alikeValue, { text }).catch(() => null);
    const { share = 0, text: other } = answer?.body ?? {};
    const words = _("Much like one you wrote lately, %(share)s of it: %(other)s");
    this.alikeTarget.textContent = share >= ALIKE ? say(words, { share: `${Math.round(share * 100)} %`, other }) : "";
  }

  add() {
    find(this.append({ input: "", output: "" }), "textarea", HTMLTextAreaElement).focus();
    this.change();
  }

  /** @param {On<HTMLButtonElement>} event */
  remove({ currentTarget }) {
    currentTarget.closest("fieldset")?.remove();
    this.change();
    this.instructionTarget.focus();
  }

  /** @param {SubmitEvent} event */
  async submit(event) {
    event.preventDefault();
    const words = this.missing();
    this.errorTarget.textContent = words;
    if (words || this.asking) return;
    this.asking = true;
    const isMeant = await this.isMeant();
    this.asking = false;
    if (isMeant) this.dispatch("submit", { prefix: "work", detail: { label: this.label() } });
  }

  /** Whether nothing in the texts looks like somebody's own, or they were submitted once more as
   * they are. Without the server nothing is known; it looks again when the prompt arrives. */
  async isMeant() {
    const text = [this.instructionTarget.value, ...this.examples().flatMap(Object.values)].join("\n\n");
    if (text === this.confirmed) return true;
    const answer = await call("POST", this.personalValue, { text }).catch(() => null);
    /** @type {{kind: string, text: string}[]} */
    const found = answer?.body?.found ?? [];
    this.confirmed = text;
    this.personalTarget.hidden = found.length === 0;
    const words = _("This looks like somebody's own: %(found)s. If somebody real can be reached or known by it, take it out; if it is made up, submit once more.");
    this.personalTarget.textContent = found.length > 0 ? say(words, { found: listed(found.map(({ kind, text: own }) => `${kind} (${own})`)) }) : "";
    return found.length === 0;
  }

  /** What still has to be written, in words, or "". */
  missing() {
    if (!this.instructionTarget.value.trim()) return _("Write the instruction first.");
    if (this.kind() !== "few_shot") return "";
    const whole = this.examples().filter(({ input, output }) => input.trim() && output.trim());
    if (whole.length >= FEWEST_PAIRS && whole.length === this.pairTargets.length) return "";
    return say(_("A few-shot prompt needs at least %(fewest)s whole pairs and no half-empty one."), { fewest: FEWEST_PAIRS });
  }

  kind() {
    return this.kindTargets.find(({ checked }) => checked)?.value;
  }

  draft() {
    return { ...this.label(), examples: this.examples() };
  }

  label() {
    const examples = this.kind() === "few_shot" ? this.examples() : [];
    return {
      prompt_kind: this.kind(),
      instruction: this.instructionTarget.value,
      examples,
      use_case: this.useCaseTarget.value,
    };
  }

  examples() {
    return this.pairTargets.map((pair) => {
      const [input, output] = pair.querySelectorAll("textarea");
      return { input: input.value, output: output.value };
    });
  }

  /** Few-shot prompts show their pairs, and never fewer than they need. */
  refresh() {
    const fewShot = this.kind() === "few_shot";
    this.examplesTarget.hidden = !fewShot;
    while (fewShot && this.pairsTarget.children.length < FEWEST_PAIRS) this.append({ input: "", output: "" });
    [...this.pairsTarget.children].forEach((pair, at) => {
      find(pair, "legend", HTMLElement).textContent = say(_("Pair %(number)s"), { number: at + 1 });
    });
  }

  /** @param {Pair} pair */
  append({ input, output }) {
    const pair = stamp(this.blankTarget);
    const fields = pair.querySelectorAll("textarea");
    [fields[0].value, fields[1].value] = [input, output];
    this.pairsTarget.append(pair);
    return pair;
  }
}
