/**
 * Time at work: the page in sight and something done within the last minute. Pure.
 *
 * @typedef {{ms: number, at: number, touched: number}} Active
 *   ms so far; when it was last counted; when something was last done
 * @module
 */

export const IDLE_MS = 60_000;

/** @param {number} now in ms @param {number} [seconds] already worked @returns {Active} */
export function start(now, seconds = 0) {
  return { ms: seconds * 1000, at: now, touched: now };
}

/** Count up to `now`. @param {Active} active @param {number} now @param {boolean} visible whether the
 * page was in sight since it was last counted @returns {Active} */
export function count(active, now, visible) {
  const until = Math.min(now, active.touched + IDLE_MS);
  const worked = visible ? Math.max(0, until - active.at) : 0;
  return { ...active, ms: active.ms + worked, at: now };
}

/** Something was done. @param {Active} active @param {number} now @returns {Active} */
export function touch(active, now) {
  return { ...count(active, now, true), touched: now };
}

/** @param {Active} active */
export function seconds(active) {
  return Math.round(active.ms / 1000);
}

/** Count on a real page from now on. @param {Document} page @param {number} already seconds
 * @param {AbortSignal} [until] given up then @returns {() => number} the seconds so far */
export function watch(page, already, until) {
  let active = start(Date.now(), already);
  let visible = !page.hidden;
  const done = () => { if (visible) active = touch(active, Date.now()); };
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    page.addEventListener(kind, done, { passive: true, signal: until });
  }
  page.addEventListener("visibilitychange", () => {
    active = count(active, Date.now(), visible);
    visible = !page.hidden;
    done();
  }, { signal: until });
  return () => {
    active = count(active, Date.now(), visible);
    return seconds(active);
  };
}
