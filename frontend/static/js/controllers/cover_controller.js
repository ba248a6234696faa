/**
 * Keeps what may distress covered until its reader chooses to see it; the choice holds for the task.
 *
 *   <div data-controller="cover" data-cover-key-value="shown:3:12">
 *     <section data-cover-target="warning"><button data-action="cover#uncover">Show it</button></section>
 *     <div class="covered" inert data-cover-target="work">…</div>
 */
import { Controller } from "@hotwired/stimulus";

export default class extends /** @type {Typed<{
  targets: {warning: HTMLElement, work: HTMLElement},
  values: {key: string},
}>} */ (Controller) {
  static targets = ["warning", "work"];
  static values = { key: String };

  connect() {
    if (sessionStorage.getItem(this.keyValue)) this.show();
  }

  uncover() {
    sessionStorage.setItem(this.keyValue, "1");
    this.show();
    document.getElementById("main")?.focus({ preventScroll: true });
  }

  show() {
    this.warningTarget.hidden = true;
    this.workTarget.inert = false;
    this.workTarget.classList.remove("covered");
  }
}
