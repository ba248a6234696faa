/**
 * Turns to a page that was fetched before: its body takes the place of this one, as if it had been
 * loaded. Stimulus notices by itself.
 *
 * @module
 */
import { announce } from "./announce.js";

let shown = globalThis.location?.pathname;
// Back and forward lead to pages that are no longer here.
globalThis.addEventListener?.("popstate", () => {
  if (location.pathname !== shown) location.reload();
});

/** A page of this site as a document, or null if it is another one that came.
 * @param {string} url @returns {Promise<Document | null>} @throws {TypeError} without a server */
export async function fetchPage(url) {
  const response = await fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return script(page) === script(document) ? page : null; // else a new version was installed
}

/** @param {Document} page @param {string} url where it lies */
export function turnTo(page, url) {
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
  history.pushState(null, "", url);
  shown = location.pathname;
  window.scrollTo({ top: 0 });
  const first = document.querySelector("[autofocus]") ?? document.getElementById("main");
  /** @type {HTMLElement | null} */ (first)?.focus({ preventScroll: true });
  announce(page.title); // as a page that is loaded is read out
}

/** @param {Document} page */
function script(page) {
  return page.querySelector("script[type=module]")?.getAttribute("src");
}
