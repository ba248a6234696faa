/**
 * One assignment from its draft to the next task: saving, heartbeat, submit, skip.
 * The form inside says "work:ready" to get its draft, "work:change" with a new draft, "work:near"
 * when the end is in sight, and "work:submit" with the label; it knows nothing of the network.
 *
 *   <body data-controller="assignment" data-assignment-url-value="/api/v1/assignments/7/" …>
 *     <span data-assignment-target="state"></span>
 *     <div data-assignment-target="notices" aria-live="polite"></div>
 *     <script type="application/json" id="draft">{…}</script>
 *
 * @import { Answer } from "../api.js"
 * @import { Copy, SaveState } from "../draft.js"
 * @import { Choice } from "../notices.js"
 * @typedef {{active_seconds?: number}} Draft and what the form inside puts there
 */
import { Controller } from "@hotwired/stimulus";

import { watch } from "../active_time.js";
import { call, problem } from "../api.js";
import { DraftKeeper, judge } from "../draft.js";
import { find } from "../find.js";
import { _, clock, say } from "../i18n.js";
import { clearNotices, notify } from "../notices.js";
import { PageAhead } from "../page_ahead.js";
import { saveWords } from "../save_words.js";
import { Submission } from "../submission.js";
import { fetchPage, turnTo } from "../turn.js";

const HEARTBEAT_MS = 60_000;

export default class extends /** @type {Typed<{
  targets: {
    state: HTMLElement, notices: HTMLElement, skip: HTMLDialogElement, reason: HTMLInputElement,
    today: HTMLElement,
  },
  values: {
    url: string, kind: string, version: number, owner: string, claim: string, page: string,
    queue: string, submit: string, amend: string, done: string,
  },
  fields: {
    draft: Draft, keeper: DraftKeeper, submission: Submission, ahead: PageAhead,
    gone: AbortController, activeSeconds: () => number, heart: Timer,
    load?: (draft: Draft) => void, nearing?: boolean, countedSeconds?: number,
  },
}>} */ (Controller) {
  static targets = ["state", "notices", "skip", "reason", "today"];
  static values = {
    url: String, kind: String, version: Number, owner: String,
    claim: String, page: String, queue: String, submit: String, amend: String, done: String,
  };

  connect() {
    this.draft = JSON.parse(find(document, "#draft", HTMLScriptElement).textContent);
    this.keeper = new DraftKeeper(this.versionValue, this.outside());
    this.submission = new Submission({ ...this.timers(), ...this.desk() });
    this.ahead = new PageAhead(this.whatComesNext());
    this.gone = new AbortController();
    this.activeSeconds = watch(document, this.draft.active_seconds ?? 0, this.gone.signal);
    this.heart = setInterval(() => this.heartbeat(), HEARTBEAT_MS);
    this.takeLeftover();
  }

  disconnect() {
    clearInterval(this.heart);
    this.gone.abort();
    this.submission.drop();
  }

  /** @returns {import("../draft.js").Outside} */
  outside() {
    return {
      send: (draft, version, last) => this.send(draft, version, last),
      tell: (state, answer) => this.tell(state, answer),
      storage: localStorage,
      key: `draft:${this.ownerValue}:${this.urlValue}`,
      now: () => Date.now(),
      ...this.timers(),
    };
  }

  /** @returns {Pick<import("../submission.js").Outside, "send" | "tell">} */
  desk() {
    return {
      send: (label) => call("POST", this.withNext(this.submitValue), label),
      tell: (answer, edited) => this.submitted(answer, edited),
    };
  }

  /** @returns {import("../page_ahead.js").Outside} */
  whatComesNext() {
    return {
      reserve: () => call("POST", `${this.urlValue}next/`, {}),
      fetch: (id) => fetchPage(this.pageOf(id)),
    };
  }

  /** @returns {Pick<import("../draft.js").Outside, "later" | "forget">} */
  timers() {
    return { later: (run, ms) => setTimeout(run, ms), forget: (timer) => clearTimeout(timer) };
  }

  /** The form is there and asks for what was written.
   * @param {CustomEvent<{load: (draft: Draft) => void}>} event */
  ready({ detail: { load } }) {
    this.load = load;
    load(this.draft);
  }

  /** @param {CustomEvent<{draft: Draft}>} event */
  change({ detail: { draft } }) {
    if (this.submission.drop()) this.sayChanged();
    this.draft = draft;
    this.keeper.change({ ...draft, active_seconds: this.activeSeconds() });
  }

  /** The end is in sight: have the next task's page here by then. What is amended has none. */
  near() {
    if (this.nearing || this.doneValue) return;
    this.nearing = true;
    this.ahead.prepare();
  }

  /** What was fetched ahead shows a guideline as unread that has been read meanwhile. */
  renewAhead() {
    this.ahead.renew();
  }

  /** @param {object} draft @param {number} version @param {boolean} last */
  send(draft, version, last) {
    const body = { draft, draft_version: version };
    return call("PUT", `${this.urlValue}draft/`, body, { keepalive: last });
  }

  /** @param {SaveState} state @param {Answer | null} answer */
  tell(state, answer) {
    this.stateTarget.textContent = saveWords(state, answer, Date.now());
    this.stateTarget.dataset.state = state;
    if (state === "conflict") this.offerTakeOver(answer?.body);
    if (state === "refused") this.say("bad", problem(answer, _("The server did not take the draft.")));
    if (state === "expired") this.askToLogIn();
  }

  /** What this computer kept from a crash, a time without a connection, or the page before this. */
  takeLeftover() {
    const copy = this.keeper.leftover();
    if (!copy) return;
    const todo = judge(copy, { draft: this.draft, version: this.versionValue });
    if (todo === "forget") this.keeper.forgetCopy();
    else if (todo === "adopt") this.adopt(copy);
    else if (todo === "restore") this.restore(copy);
    else this.offerCopy(copy);
  }

  /** @param {Copy} copy */
  adopt(copy) {
    this.keeper.adopt(copy);
    this.put(copy.draft);
  }

  /** @param {Copy} copy */
  restore(copy) {
    this.use(copy);
    const words = _("What you wrote until %(at)s had not reached the server. It was kept on this computer and is back.");
    this.say("info", say(words, { at: clock(copy.at) }));
  }

  /** @param {Copy} copy */
  offerCopy(copy) {
    const words = _("This computer kept another state of your work, from %(at)s. What you see was saved later, elsewhere.");
    this.say("warn", say(words, { at: clock(copy.at) }), [
      { words: _("Use the one from this computer"), run: () => this.use(copy) },
      { words: _("Keep what I see"), run: () => this.keeper.forgetCopy() },
    ]);
  }

  /** @param {Copy} copy */
  use(copy) {
    this.put(copy.draft);
    this.keeper.restore(copy);
  }

  /** @param {Draft} draft */
  put(draft) {
    this.draft = draft;
    this.load?.(draft);
  }

  /** @param {{draft_version: number}} conflict */
  offerTakeOver(conflict) {
    const words = _("This task is open in another tab, which saved after this one. Nothing is lost: this tab's work is kept here.");
    this.say("warn", words, [
      { words: _("Go on in this tab"), run: () => this.keeper.takeOver(conflict.draft_version) },
      { words: _("Show what the other tab saved"), run: () => this.reload() },
    ]);
  }

  // This tab's text stays on this computer and is offered on the page that comes.
  reload() {
    location.reload();
  }

  askToLogIn() {
    this.dispatch("expired", { prefix: "session", target: window });
  }

  /** Logged in again, or back online. */
  async resume() {
    await this.keeper.resume();
    await this.submission.resume();
  }

  /** The page is being left; the one that comes may be on its way before the last edit is saved. */
  depart() {
    this.keeper.flush({ last: true });
  }

  /** The page is hidden, perhaps for good, or in sight again. */
  look() {
    if (document.visibilityState === "hidden") this.depart();
    else this.keeper.stay();
  }

  async heartbeat() {
    if (document.hidden || this.doneValue) return; // what is amended is not leased
    const answer = await call("POST", `${this.urlValue}heartbeat/`, {}).catch(() => null);
    if (answer?.status === 401) this.askToLogIn();
    else if (answer && answer.status >= 400 && answer.status < 500) this.stopBeating(answer);
    else if (answer) this.keepAhead();
  }

  /** The task is not held here any more, and no beat brings it back: say so once. @param {Answer} answer */
  stopBeating(answer) {
    clearInterval(this.heart);
    this.say("warn", this.lapsed(answer), [{ words: _("Show how it stands"), run: () => this.reload() }]);
  }

  /** Only for somebody at work; else the next task goes to somebody else after a while. */
  keepAhead() {
    const seconds = this.activeSeconds();
    if (this.nearing && seconds !== this.countedSeconds) this.ahead.prepare();
    this.countedSeconds = seconds;
  }

  /** @param {Answer} answer */
  lapsed(answer) {
    return problem(answer, _("This task's time ran out. Your work is kept; submit it, and it counts if the task is still free."));
  }

  /** @param {CustomEvent<{label: object}>} event */
  submit({ detail: { label } }) {
    this.keeper.rest();
    this.submission.submit({ ...label, active_seconds: this.activeSeconds() });
  }

  /** @param {Answer | null} answer @param {boolean} edited */
  async submitted(answer, edited) {
    if (!answer || answer.status >= 300) this.keeper.wake();
    if (!answer) this.sayUnsent();
    else if (answer.status === 401) this.askToLogIn();
    else if (answer.status < 300 && edited) await this.offerAmendment();
    else if (answer.status < 300) await this.finish(answer.body.next, 1);
    else this.say("bad", problem(answer, _("The server did not take it. Your work is kept; try once more.")));
  }

  /** The label was changed while it was on its way: the change becomes the draft of an amendment. */
  async offerAmendment() {
    const goOn = { words: _("Go on without the change"), run: () => this.finish() };
    if (!this.amendValue) {
      this.say("warn", _("What you submitted is stored; what you changed while it was on its way is not part of it."), [goOn]);
      return;
    }
    const now = await call("GET", this.urlValue).catch(() => null);
    this.keeper.change({ ...this.draft, active_seconds: this.activeSeconds() });
    if (now?.status === 200) await this.keeper.takeOver(now.body.draft_version);
    this.say("warn", _("What you submitted is stored; what you changed while it was on its way is kept as a draft."), [
      { words: _("Amend it with the change"), run: () => location.assign(this.amendValue) },
      goOn,
    ]);
  }

  sayUnsent() {
    if (!this.submission.waiting) this.sayChanged();
    else this.say("warn", _("Not sent: the server cannot be reached. Your work is kept and goes out as soon as it can."));
  }

  sayChanged() {
    this.say("info", _("Not sent: you changed it. Submit it again when you are done."));
  }

  openSkip() {
    this.skipTarget.showModal();
  }

  closeSkip() {
    this.skipTarget.close();
  }

  /** @param {SubmitEvent} event */
  async skip(event) {
    event.preventDefault();
    const reason = this.reasonTargets.find((choice) => choice.checked)?.value;
    if (!reason) return;
    const url = this.withNext(`${this.urlValue}release/`);
    const answer = await call("POST", url, { reason }).catch(() => null);
    this.skipTarget.close();
    if (answer && answer.status < 300) await this.finish(answer.body.next);
    else this.say("bad", answer ? problem(answer, _("The task could not be given back.")) : _("The server cannot be reached."));
  }

  /** The task is done with: on to the next, at once if its page is here.
   * @param {number | null} [next] the assignment that has begun @param {0 | 1} [labels] submitted */
  async finish(next, labels = 0) {
    this.keeper.close();
    if (this.doneValue) return location.assign(this.doneValue);
    const id = next ?? await this.claim();
    if (!id) return location.assign(this.queueValue);
    const page = await this.ahead.take(id);
    return page ? this.turn(page, id, labels) : location.assign(this.pageOf(id));
  }

  /** What was reserved just now, if it still is, or the next one. */
  async claim() {
    const answer = await call("POST", this.claimValue, { kinds: [this.kindValue] }).catch(() => null);
    return answer?.status === 200 ? answer.body.id : null;
  }

  /** @param {Document} page @param {number} next @param {0 | 1} labels */
  turn(page, next, labels) {
    // It may have been made before this label was counted.
    const today = page.querySelector("[data-assignment-target=today]");
    if (today) today.textContent = String(Number(this.todayTarget.textContent) + labels);
    turnTo(page, this.pageOf(next));
  }

  /** @param {string} url */
  withNext(url) {
    return this.ahead.id === null ? url : `${url}?next=${this.ahead.id}`;
  }

  /** @param {number} id */
  pageOf(id) {
    return this.pageValue.replace("/0/", `/${id}/`);
  }

  /** @param {"info" | "warn" | "bad"} tone @param {string} words @param {Choice[]} [choices] */
  say(tone, words, choices) {
    if (!words) clearNotices(this.noticesTarget);
    else notify(this.noticesTarget, tone, words, choices);
  }
}
