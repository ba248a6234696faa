/** Sending a file in pieces that survives lost connections. @module */
import { csrfToken } from "../api.js";

const LONGEST_WAIT_MS = 15_000;
const FIRST_WAIT_MS = 500;

/**
 * Send what is missing of a file. A piece that did not arrive is sent again, after a while; where
 * the server has another one than we thought, we go on from there.
 *
 * @param {Blob} file @param {string} url
 * @param {{from: number, chunk: number, signal: AbortSignal, told: (received: number) => void,
 *   lost: (offline: boolean) => void}} how
 * @returns {Promise<{ok: true} | {ok: false, sentence: string}>} how it ended
 */
export async function send(file, url, { from, chunk, signal, told, lost }) {
  let offset = from;
  let wait = FIRST_WAIT_MS;
  while (offset < file.size && !signal.aborted) {
    const answer = await put(`${url}?offset=${offset}`, file.slice(offset, offset + chunk), signal);
    if (signal.aborted) break;
    if (answer === null || answer.status >= 500) {
      lost(true);
      await pause(wait, signal);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
      continue;
    }
    lost(false);
    wait = FIRST_WAIT_MS;
    if (typeof answer.body?.received !== "number") {
      return { ok: false, sentence: answer.body?.detail ?? "The server refused the upload." };
    }
    offset = answer.body.received;
    told(offset);
  }
  return { ok: true };
}

/** @param {string} url @param {Blob} piece @param {AbortSignal} signal */
async function put(url, piece, signal) {
  try {
    const response = await fetch(url, {
      method: "PUT",
      credentials: "same-origin",
      headers: { Accept: "application/json", "Content-Type": "application/octet-stream", "X-CSRFToken": csrfToken() },
      body: piece,
      signal,
    });
    return { status: response.status, body: await response.json().catch(() => null) };
  } catch {
    return null;
  }
}

/** Until the time is over, or the computer is online again. @param {number} wait @param {AbortSignal} signal */
function pause(wait, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait);
    const now = () => (clearTimeout(timer), resolve(undefined));
    addEventListener("online", now, { once: true });
    signal.addEventListener("abort", now, { once: true });
  });
}
