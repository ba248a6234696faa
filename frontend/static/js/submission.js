/**
 * Brings a label to the server, however long that is out of reach, unless the labeler edits it.
 * The same body again is the same submission, so a retry cannot count twice. Knows no page; the
 * network and the timers are given.
 *
 * @typedef {{status: number, body: any}} Answer
 * @typedef {object} Outside
 * @property {(label: object) => Promise<Answer>} send rejects when the server cannot be reached
 * @property {(answer: Answer | null, edited: boolean) => void} tell null: out of reach; edited: since
 *   it was sent, so that the answer is about something older
 * @property {(run: () => void, ms: number) => any} later
 * @property {(timer: any) => void} forget
 * @module
 */
import { RETRY_MS } from "./draft.js";

const SERVER_ERROR = 500;
const LOGGED_OUT = 401;

export class Submission {
  /** @param {Outside} outside */
  constructor(outside) {
    this.outside = outside;
    /** @type {object | null} */
    this.label = null;
    this.waiting = false; // for the server, or for a login
    this.busy = false;
    this.failures = 0;
    this.timer = null;
  }

  /** @param {object} label taken only if no unedited one was tried before @returns {Promise<void>} */
  async submit(label) {
    if (this.busy) return;
    this.label ??= label;
    await this.#attempt();
  }

  /** The label was edited or its page is left: what was tried is tried no more.
   * @returns {boolean} whether it was waiting to be */
  drop() {
    const dropped = this.waiting;
    this.#unschedule();
    this.label = null;
    this.waiting = false;
    this.failures = 0;
    return dropped;
  }

  /** Back online, or logged in again. @returns {Promise<void>} */
  async resume() {
    if (this.waiting && !this.busy) await this.#attempt();
  }

  async #attempt() {
    this.#unschedule();
    this.busy = true;
    const label = /** @type {object} */ (this.label);
    const answer = await this.outside.send(label).catch(() => null);
    this.busy = false;
    const edited = label !== this.label;
    if (!edited) this.#settle(answer);
    this.outside.tell(isOutOfReach(answer) ? null : answer, edited);
  }

  /** @param {Answer | null} answer */
  #settle(answer) {
    this.waiting = isOutOfReach(answer) || answer?.status === LOGGED_OUT;
    if (!isOutOfReach(answer)) return;
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    this.timer = this.outside.later(() => this.#attempt(), wait);
  }

  #unschedule() {
    if (this.timer) this.outside.forget(this.timer);
    this.timer = null;
  }
}

/** @param {Answer | null} answer */
function isOutOfReach(answer) {
  return !answer || answer.status >= SERVER_ERROR;
}
