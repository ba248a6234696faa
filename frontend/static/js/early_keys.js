// Keeps the keys that are pressed before the modules run, for the shortcuts to press then: a rating
// that was lost would leave each later one to the wrong completion. A plain script, to be there first.
/** @type {KeyboardEvent[] | undefined} */
globalThis.earlyKeys = [];
/** @param {KeyboardEvent} event */
globalThis.keepEarlyKey = (event) => globalThis.earlyKeys?.push(event);
document.addEventListener("keydown", globalThis.keepEarlyKey);
