/**
 * The one way a page follows something on the server: ask, show, wait, ask again. Without an answer
 * it asks less and less often; while the page is hidden it does not ask; where the session is over
 * it says so, once, and goes on when there is a new one.
 *
 * @module
 */

const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;
export const LOGGED_OUT = "You are no longer logged in. Log in again in another tab; this page then goes on by itself.";

/**
 * @template {{status: number}} A
 * @typedef {object} Followed
 * @property {() => Promise<A>} ask rejects when the server cannot be reached
 * @property {(answer: A) => number | null} show what was answered; the milliseconds until the next
 *   question, or null when there is no more to follow
 * @property {(trouble: string) => void} say why nothing new is shown; "" when there is an answer again
 * @property {(status: number) => boolean} [shows] which answers `show` takes, 200 alone if not given;
 *   the others count as none
 */

/** Shows refusals too; a failure of the server and a session that is over stay no answer.
 * @param {number} status */
export const everyAnswer = (status) => status < 500 && status !== 401;

/** What of a browser is needed; the tests bring their own.
 * @typedef {{page: Pick<Document, "hidden" | "addEventListener" | "removeEventListener">,
 *   later: (run: () => void, ms: number) => any, forget: (timer: any) => void}} Outside */

/** @type {() => Outside} */
const browser = () => ({ page: document, later: (run, ms) => setTimeout(run, ms), forget: (timer) => clearTimeout(timer) });

/** @template {{status: number}} A */
export class Follower {
  /** @param {Followed<A>} followed @param {Outside} [outside] */
  constructor({ ask, show, say, shows = (status) => status === 200 }, outside = browser()) {
    this.ask = ask;
    this.show = show;
    this.say = say;
    this.shows = shows;
    this.outside = outside;
    this.round = 0; // an answer to a question of an earlier round comes too late
    this.failures = 0;
    this.trouble = "";
    this.waiting = false;
    this.timer = null;
    this.turned = () => !this.outside.page.hidden && this.waiting && this.now();
  }

  start() {
    this.outside.page.addEventListener("visibilitychange", this.turned);
    return this.now();
  }

  stop() {
    this.round += 1;
    this.waiting = false;
    this.outside.forget(this.timer);
    this.outside.page.removeEventListener("visibilitychange", this.turned);
  }

  /** Ask at once, whenever the next question was due; an answer under way is dropped. */
  async now() {
    const round = (this.round += 1);
    this.outside.forget(this.timer);
    this.waiting = this.outside.page.hidden;
    if (this.waiting) return;
    const answer = await this.ask().catch(() => null);
    if (round !== this.round) return;
    const wait = answer && this.shows(answer.status) ? this.#shown(answer) : this.#lost(answer);
    if (round !== this.round) return; // what was shown stopped or asked anew
    if (wait === null) return this.stop();
    this.waiting = true;
    this.timer = this.outside.later(() => this.now(), wait);
  }

  /** @param {A} answer */
  #shown(answer) {
    this.failures = 0;
    this.#tell("");
    return this.show(answer);
  }

  /** @param {A | null} answer */
  #lost(answer) {
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    const lost = `No answer from the server. This page tries again in ${wait / 1000} s; the work goes on without it.`;
    this.#tell(answer?.status === 401 ? LOGGED_OUT : lost);
    return wait;
  }

  /** A live region speaks at every change, so the same is not said twice. @param {string} trouble */
  #tell(trouble) {
    if (trouble !== this.trouble) this.say(trouble);
    this.trouble = trouble;
  }
}

/** Says a trouble in a paragraph that is hidden when there is none.
 * @param {HTMLElement} line @returns {(trouble: string) => void} */
export function sayIn(line) {
  return (trouble) => {
    line.textContent = trouble;
    line.hidden = !trouble;
  };
}
