/** Why the API said no, in one sentence. @module */
import { problem } from "../api.js";

export const UNREACHABLE = "The server cannot be reached. Try again in a moment.";

/** The first field's sentence, else the whole one. @param {import("../api.js").Answer | null} answer */
export function refused(answer) {
  if (!answer) return UNREACHABLE;
  const first = Object.entries(answer.body?.errors ?? {})[0];
  return first ? `${first[0]}: ${[first[1]].flat().join(" ")}` : problem(answer, "That did not work.");
}
