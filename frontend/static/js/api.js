/**
 * Calls to the REST API with the session and its CSRF token.
 *
 * @typedef {{status: number, body: any}} Answer status 401 always means: log in again
 * @module
 */

import { _ } from "./i18n.js";

const SESSION_URL = "/session/";

/** @param {"GET" | "POST" | "PUT" | "DELETE"} method @param {string} url @param {unknown} [body]
 * @param {{keepalive?: boolean}} [options] @returns {Promise<Answer>}
 * @throws {TypeError} when the server cannot be reached */
export async function call(method, url, body, { keepalive = false } = {}) {
  const response = await fetch(url, {
    method,
    keepalive,
    credentials: "same-origin",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const status = response.status === 403 && (await isLoggedOut()) ? 401 : response.status;
  return { status, body: await parsed(response) };
}

/** The sentence of a problem document in the reader's language, or one of ours. The API speaks
 * English; the catalogue has its sentences. @param {Answer | null} answer @param {string} otherwise */
export function problem(answer, otherwise) {
  return answer?.body?.detail ? _(answer.body.detail) : otherwise;
}

/** @returns {string} */
export function csrfToken() {
  return /(?:^|; )csrftoken=([^;]*)/.exec(document.cookie)?.[1] ?? "";
}

// The API answers 403 to a missing session and to a forbidden act alike.
async function isLoggedOut() {
  const response = await fetch(SESSION_URL, { credentials: "same-origin" });
  return response.status === 401;
}

/** @param {Response} response */
async function parsed(response) {
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) return null;
  return response.json();
}
