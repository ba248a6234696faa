/**
 * What a round would be, as the check tells it: counts and shares of labels, estimates.
 *
 * @typedef {{title: string, rankings: number, demonstrations: number}} Bar
 * @typedef {{title: string, bars: Bar[]}} Share
 * @typedef {{title: string, seconds: number | null, memory: number | null, needs: number | null,
 *   source: string}} Estimate memory and needs in MiB
 * @typedef {{version: number, state: string, says: string, skipped: {says: string, url: string}[]}} Checked
 * @typedef {object} Plan
 * @property {Record<string, number>} labels @property {Record<string, number>} needed
 * @property {number} comparisons @property {Share[]} shares @property {Estimate[]} estimates
 * @property {number} ahead @property {number | null} context
 * @property {import("./round_parts.js").Absence | null} absence @property {string[]} notes
 * @property {Checked | null} checked @property {string} yaml @property {string} problem
 * @property {Record<string, string | string[]>} errors by field
 * @module
 */
import { element, stackedBar } from "./elements.js";
import { duration, mebibytes, number } from "./format.js";

/** @type {Record<string, string>} */
const TITLES = { demonstrations: "Demonstrations", rankings: "Rankings", prompts: "Prompts to sample from", validation_prompts: "Validation prompts" };

/** Rows of what there is and what is needed. @param {Plan} plan */
export function countRows({ labels, needed }) {
  return Object.entries(needed).map(([what, least]) => {
    const there = labels[what];
    const short = there < least;
    const shown = short ? element("span", { class: "badge badge-warn" }, [`${number(there)} of ${number(least)}`]) : number(least);
    return element("tr", {}, [element("td", {}, [TITLES[what]]), cell(number(there)), cell(shown)]);
  });
}

/** A folded table with bars for every way the labels are shared out; empty ones are left out.
 * @param {Share[]} shares @param {Set<string>} open titles that are open */
export function shareTables(shares, open) {
  return shares.filter(({ bars }) => bars.length).map(({ title, bars }) => {
    const longest = Math.max(...bars.map(sum));
    const head = element("tr", {}, [element("th", { scope: "col" }, [title]), element("th", { scope: "col", class: "number rankings" }, ["Rankings"]),
      element("th", { scope: "col", class: "number demonstrations" }, ["Demonstrations"]), element("td", { class: "bar-cell" })]);
    const table = element("table", { class: "table portions" }, [element("thead", {}, [head]), element("tbody", {}, bars.map((bar) => shareRow(bar, longest)))]);
    return element("details", open.has(title) ? { open: "", "data-title": title } : { "data-title": title }, [element("summary", {}, [title]), table]);
  });
}

/** One row a stage, and the sum where every stage's time is known. @param {Estimate[]} estimates */
export function estimateRows(estimates) {
  const rows = estimates.map(({ title, seconds, memory, needs }) =>
    element("tr", {}, [element("td", {}, [title]), cell(duration(seconds)), cell(memory === null ? about(needs) : mebibytes(memory))]));
  const known = estimates.map(({ seconds }) => seconds).filter((seconds) => seconds !== null);
  if (estimates.length < 2 || known.length < estimates.length) return rows;
  const total = known.reduce((all, seconds) => all + seconds, 0);
  return [...rows, element("tr", {}, [element("th", { scope: "row" }, ["Together"]), cell(duration(total)), cell("")])];
}

/** By what the estimates are judged. @param {Estimate[]} estimates */
export function judged(estimates) {
  const sources = [...new Set(estimates.map(({ source }) => source).filter(Boolean))];
  const rough = estimates.some(({ memory, needs }) => memory === null && needs !== null);
  return [
    sources.length ? `Scaled from what ${sources.join(", ")} took.` : "No earlier run of this model, so its time is unknown.",
    rough ? "“About” is a rough figure by the model's shape, without what Python and PyTorch take themselves." : "",
  ].filter(Boolean).join(" ");
}

/** @param {Bar} bar @param {number} longest */
function shareRow(bar, longest) {
  return element("tr", {}, [element("th", { scope: "row", title: bar.title }, [short(bar.title)]), cell(number(bar.rankings)), cell(number(bar.demonstrations)),
    element("td", { class: "bar-cell" }, [stackedBar([bar.rankings, bar.demonstrations], longest)])]);
}

/** A pseudonym's beginning tells it from the others. @param {string} title */
function short(title) {
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(title) ? title.slice(0, 8) : title;
}

/** @param {number | null} needs */
function about(needs) {
  return needs === null ? "–" : `about ${mebibytes(needs)}`;
}

/** @param {Bar} bar */
function sum({ rankings, demonstrations }) {
  return rankings + demonstrations;
}

/** @param {string | Node} content */
function cell(content) {
  return element("td", { class: "number" }, [content]);
}

/** What the check says of the start version, and the prompts that its chat template refuses.
 * @param {WithData<"checkPage">} place its `data-check-page` is a version's page, with 0 for the number
 * @param {Checked | null} checked */
export function showChecked(place, checked) {
  place.hidden = !checked;
  if (!checked) return;
  const page = place.dataset.checkPage.replace("/0/", `/${checked.version}/`);
  const link = element("a", { href: page }, [checked.state === "unchecked" ? "Check it" : "See the check"]);
  const skipped = checked.skipped.map(({ says, url }) => element("p", {}, [`${says} `, element("a", { href: url }, ["See them"])]));
  place.replaceChildren(element("p", {}, [`Start version: ${checked.says}. `, link]), ...skipped);
}
