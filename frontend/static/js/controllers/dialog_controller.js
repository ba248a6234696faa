/**
 * Opens a <dialog> and closes it; Escape and the focus coming back are the browser's own.
 *
 *   <div data-controller="dialog">
 *     <button data-action="dialog#open">Guideline</button>
 *     <dialog data-dialog-target="box">… <button data-action="dialog#close">Close</button></dialog>
 *   </div>
 */
import { Controller } from "@hotwired/stimulus";

export default class extends Controller {
  static targets = ["box"];

  open() {
    this.boxTarget.showModal();
  }

  close() {
    this.boxTarget.close();
  }
}
