/**
 * Keeps a draft safe: on the server with versions, and on this computer until the server has it.
 * One request is in flight at a time and the newest edit wins. Knows no page; the network, the
 * timers and the storage are given, so node can test every way of losing work.
 *
 * @typedef {"saved" | "unsaved" | "saving" | "offline" | "conflict" | "expired" | "refused" | "closed"}
 *   SaveState
 * @typedef {{status: number, body: any}} Answer
 * @typedef {object} Copy what this computer keeps of a draft
 * @property {object} draft
 * @property {number} version the server's, on which the draft follows, or which it is if `saved`
 * @property {number} at in ms
 * @property {object} [sent] an earlier state, on its way when this one was written
 * @property {boolean} [saved] the server has it; a page that was made meanwhile may not show it
 * @typedef {object} Outside
 * @property {(draft: object, version: number, last: boolean) => Promise<Answer>} send
 *   rejects when the server cannot be reached
 * @property {(state: SaveState, answer: Answer | null) => void} tell
 * @property {Storage} storage
 * @property {string} key where in the storage this draft's copy lies
 * @property {(run: () => void, ms: number) => any} later
 * @property {(timer: any) => void} forget
 * @property {() => number} now in ms
 * @module
 */

export const QUIET_MS = 500;
export const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const SERVER_ERROR = 500;

export class DraftKeeper {
  /** @param {number} version the server's when the page was made @param {Outside} outside */
  constructor(version, outside) {
    this.version = version;
    this.outside = outside;
    /** @type {SaveState} */
    this.state = "saved";
    this.draft = null;
    this.edits = 0; // counts edits, to see whether one came while a request was away
    this.savedEdits = 0;
    this.failures = 0;
    this.inFlight = null;
    this.sending = null; // the draft that is in flight
    this.leaving = false; // the page is left or hidden, perhaps for good
    this.timer = null;
    // The server may have stored this although its answer never came.
    this.unanswered = null;
  }

  /** What this computer kept, since it may not be on the page that is shown, or null.
   * @returns {Copy | null} */
  leftover() {
    try {
      return JSON.parse(this.outside.storage.getItem(this.outside.key) ?? "null");
    } catch {
      return null;
    }
  }

  /** Throw this computer's copy away. */
  forgetCopy() {
    this.outside.storage.removeItem(this.outside.key);
  }

  /** Take an edit. @param {object} draft the whole draft */
  change(draft) {
    if (this.state === "closed") return;
    this.draft = draft;
    this.edits += 1;
    this.#keepCopy();
    if (["saved", "unsaved", "refused"].includes(this.state)) this.#become("unsaved");
    // A timer that runs already is not put off, or typing without a pause would never be saved.
    if (["unsaved", "offline"].includes(this.state) && !this.timer) this.#schedule(QUIET_MS);
  }

  /** Take up what this computer had kept. @param {Copy} copy */
  restore({ draft, version }) {
    this.version = Math.max(this.version, version);
    this.unanswered = draft;
    this.change(draft);
  }

  /** Take up what the server has, but the page did not show yet. @param {Copy} copy */
  adopt({ version }) {
    this.version = version;
    this.forgetCopy();
  }

  /** Save what is unsaved without waiting for a pause in the typing.
   * @param {{last?: boolean}} [options] last: the page is going away @returns {Promise<void>} */
  async flush({ last = false } = {}) {
    this.leaving ||= last;
    while (this.inFlight) await this.inFlight;
    if (this.#isDirty() && ["unsaved", "offline"].includes(this.state)) await this.#save(last);
  }

  /** The page is in sight again. */
  stay() {
    this.leaving = false;
    if (this.state === "saved") this.forgetCopy();
  }

  /** The label is on its way and the draft with it: the last edit need not be saved meanwhile. */
  rest() {
    this.#unschedule();
  }

  /** It did not arrive: the last edit is saved after all. */
  wake() {
    if (this.#isDirty() && ["unsaved", "offline"].includes(this.state)) this.#schedule(0);
  }

  /** Go on after a pause: back online, or logged in again. @returns {Promise<void>} */
  async resume() {
    if (!["offline", "expired"].includes(this.state)) return;
    this.failures = 0;
    this.#become("unsaved");
    await this.flush();
  }

  /** Make this tab's draft the newest after another one saved.
   * @param {number} version the other tab's @returns {Promise<void>} */
  async takeOver(version) {
    while (this.inFlight) await this.inFlight;
    this.version = version;
    this.#become("unsaved");
    await this.flush();
  }

  /** The work is submitted or given back: nothing more is saved or kept. */
  close() {
    this.#unschedule();
    this.#become("closed");
    this.forgetCopy();
  }

  #isDirty() {
    return this.edits > this.savedEdits;
  }

  /** @param {{saved?: boolean}} [how] */
  #keepCopy(how = {}) {
    const sent = this.sending ?? this.unanswered ?? undefined;
    const copy = { draft: this.draft, version: this.version, at: this.outside.now(), sent, ...how };
    try {
      this.outside.storage.setItem(this.outside.key, JSON.stringify(copy));
    } catch {
      // A full or forbidden storage only costs the second copy; the server still gets the first.
    }
  }

  /** @param {boolean} last */
  #save(last) {
    this.#unschedule();
    this.inFlight = this.#attempt(last).finally(() => { this.inFlight = null; });
    return this.inFlight;
  }

  /** @param {boolean} last */
  async #attempt(last) {
    const { edits, draft, version } = this;
    this.#become("saving");
    this.sending = draft;
    const answer = await this.outside.send(/** @type {object} */ (draft), version, last).catch(() => null);
    this.sending = null;
    if (answer) return this.#take(answer, edits);
    this.unanswered = draft;
    return this.#retry(null);
  }

  /** @param {Answer} answer @param {number} edits */
  #take(answer, edits) {
    if (this.state === "closed") return;
    if (answer.status === 200) this.#saved(answer, edits);
    else if (answer.status === 401) this.#become("expired", answer);
    else if (answer.status === 409 && answer.body?.draft_version !== undefined) this.#collide(answer);
    else if (answer.status >= SERVER_ERROR || answer.status === 429) this.#retry(answer);
    else this.#become("refused", answer);
  }

  /** A newer draft lies on the server: our own, stored before its answer was lost, or another tab's.
   * @param {Answer} answer */
  #collide(answer) {
    if (!this.unanswered || !sameDraft(answer.body.draft ?? {}, this.unanswered)) {
      this.#become("conflict", answer);
      return;
    }
    this.version = answer.body.draft_version;
    this.unanswered = null;
    this.#become("unsaved", answer);
    this.#schedule(0);
  }

  /** @param {Answer} answer @param {number} edits */
  #saved(answer, edits) {
    this.version = answer.body.draft_version;
    this.savedEdits = edits;
    this.unanswered = null;
    this.failures = 0;
    if (this.#isDirty()) {
      this.#keepCopy();
      this.#become("unsaved", answer);
      this.#schedule(QUIET_MS);
    } else {
      // The page that comes after this one may have been made before the server had this draft.
      if (this.leaving) this.#keepCopy({ saved: true });
      else this.forgetCopy();
      this.#become("saved", answer);
    }
  }

  /** @param {Answer | null} answer */
  #retry(answer) {
    if (this.state === "closed") return;
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    this.#become("offline", answer);
    this.#schedule(wait);
  }

  /** @param {number} ms */
  #schedule(ms) {
    this.#unschedule();
    this.timer = this.outside.later(() => { this.timer = null; this.flush(); }, ms);
  }

  #unschedule() {
    if (this.timer) this.outside.forget(this.timer);
    this.timer = null;
  }

  /** @param {SaveState} state @param {Answer | null} [answer] */
  #become(state, answer = null) {
    this.state = state;
    this.outside.tell(state, answer);
  }
}

/** What to do with this computer's copy beside a page's own draft: nothing is left of it, the server
 * has it and the page does not show it yet, it goes on from the page, or only its labeler can say.
 * @param {Copy} copy @param {{draft: object, version: number}} page
 * @returns {"forget" | "adopt" | "restore" | "offer"} */
export function judge(copy, page) {
  if (sameDraft(copy.draft, page.draft)) return "forget";
  if (copy.saved) return copy.version > page.version ? "adopt" : "forget";
  const follows = copy.version >= page.version || (copy.sent && sameDraft(copy.sent, page.draft));
  return follows ? "restore" : "offer";
}

/** Whether two drafts say the same, whatever the order of their keys and the time spent.
 * @param {object} a @param {object} b */
export function sameDraft(a, b) {
  return canonical(a) === canonical(b);
}

/** @param {any} value @returns {string} */
function canonical(value) {
  return JSON.stringify(value, (key, inner) => {
    if (key === "active_seconds") return undefined;
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)));
  });
}
