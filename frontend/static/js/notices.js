/**
 * What happened and what to do, shown at the head of the work.
 *
 * @typedef {{words: string, run: () => void}} Choice
 * @module
 */

/** Show one notice in place of what was there. @param {HTMLElement} place an aria-live region
 * @param {"info" | "warn" | "bad"} tone @param {string} words @param {Choice[]} [choices] */
export function notify(place, tone, words, choices = []) {
  const notice = document.createElement("div");
  notice.className = tone === "info" ? "notice" : `notice notice-${tone}`;
  const text = document.createElement("p");
  text.textContent = words;
  notice.append(text);
  if (choices.length > 0) notice.append(buttons(place, choices));
  place.replaceChildren(notice);
  notice.scrollIntoView({ block: "nearest" });
}

/** @param {HTMLElement} place */
export function clearNotices(place) {
  place.replaceChildren();
}

/** @param {HTMLElement} place @param {Choice[]} choices */
function buttons(place, choices) {
  const row = document.createElement("div");
  row.className = "row";
  row.append(...choices.map(({ words, run }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.textContent = words;
    button.addEventListener("click", () => {
      document.getElementById("main")?.focus({ preventScroll: true }); // the button goes, the focus stays
      clearNotices(place);
      run();
    });
    return button;
  }));
  return row;
}
