/** The state of saving in words, for the top bar. Pure. */
import { _, clock, say } from "./i18n.js";

/** @param {import("./draft.js").SaveState} state @param {{status: number} | null} answer
 * @param {number} now in ms @returns {string} */
export function saveWords(state, answer, now) {
  switch (state) {
    case "saved": return say(_("Saved %(at)s"), { at: clock(now) });
    case "unsaved":
    case "saving": return _("Saving…");
    case "offline": return answer ? _("Server not answering, kept on this computer") : _("Offline, kept on this computer");
    case "conflict": return _("Open in another tab, not saved here");
    case "expired": return _("Logged out, kept on this computer");
    case "refused": return _("Not saved, kept on this computer");
    default: return "";
  }
}
