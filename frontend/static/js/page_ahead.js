/**
 * The page of the task that comes next, fetched while the one before is finished, so that it can be
 * shown at once. The server holds the task for some minutes and says at the end whether it still
 * does. Knows no page; the network is given.
 *
 * @typedef {{status: number, body: any}} Answer
 * @typedef {object} Outside both reject when the server cannot be reached
 * @property {() => Promise<Answer>} reserve the next task, or the same one for longer
 * @property {(id: number) => Promise<Document | null>} fetch its page, null if there is none
 * @module
 */

export class PageAhead {
  /** @param {Outside} outside */
  constructor(outside) {
    this.outside = outside;
    /** @type {number | null} */
    this.id = null;
    /** @type {Document | null} */
    this.page = null;
    /** @type {Promise<void> | null} */
    this.busy = null;
  }

  /** Reserve the next task and fetch its page; again, keep it. @returns {Promise<void>} */
  prepare() {
    // Without a server, what is here may still be held.
    this.busy ??= this.#prepare().catch(() => {}).finally(() => { this.busy = null; });
    return this.busy;
  }

  /** What was fetched no longer shows how things are: fetch it anew. @returns {Promise<void>} */
  async renew() {
    if (this.id === null) return;
    this.#drop();
    await this.prepare();
  }

  /** The page of the task with which the server says to go on: it is here, on its way or still to
   * be fetched. @param {number} id @returns {Promise<Document | null>} null if it does not come */
  async take(id) {
    await this.busy;
    if (id !== this.id) await this.#fetch(id).catch(() => {});
    return this.page;
  }

  async #prepare() {
    const { status, body } = await this.outside.reserve();
    if (status !== 200) this.#drop();
    else if (body.id !== this.id) await this.#fetch(body.id);
  }

  /** @param {number} id */
  async #fetch(id) {
    this.#drop();
    this.page = await this.outside.fetch(id);
    this.id = this.page && id;
  }

  #drop() {
    this.id = null;
    this.page = null;
  }
}
