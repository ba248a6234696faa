/**
 * Logs in again in place when the session ran out, so that nothing written is lost.
 * Opens on the window's "session:expired" and says "session:resumed" when done.
 *
 *   <dialog data-controller="session" data-action="session:expired@window->session#open">
 *     <form action="/login/" data-action="session#login">…
 *       <p data-session-target="problem" hidden></p>
 */
import { Controller } from "@hotwired/stimulus";

import { csrfToken } from "../api.js";
import { _ } from "../i18n.js";

export default class extends /** @type {Typed<{
  element: HTMLDialogElement,
  targets: {problem: HTMLElement, password: HTMLInputElement},
}>} */ (Controller) {
  static targets = ["problem", "password"];

  open() {
    if (!this.element.open) this.element.showModal();
    this.passwordTarget.focus();
  }

  /** @param {On<HTMLFormElement, HTMLFormElement>} event */
  async login(event) {
    event.preventDefault();
    const response = await this.send(event.target).catch(() => null);
    if (response?.ok) this.resume();
    else this.refuse(response ? _("That password is not right.") : _("The server cannot be reached."));
  }

  /** @param {HTMLFormElement} form */
  send(form) {
    return fetch(form.action, {
      method: "POST",
      credentials: "same-origin",
      headers: { Accept: "application/json", "X-CSRFToken": csrfToken() },
      body: new FormData(form),
    });
  }

  resume() {
    this.passwordTarget.value = "";
    this.problemTarget.hidden = true;
    this.element.close();
    this.dispatch("resumed", { prefix: "session", target: window });
  }

  /** @param {string} words */
  refuse(words) {
    this.problemTarget.textContent = words;
    this.problemTarget.hidden = false;
    this.passwordTarget.select();
  }
}
