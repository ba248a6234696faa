/**
 * All curves of a round: a group a stage, the telling ones first, the others folded.
 *
 * @typedef {Record<string, import("./charts.js").Point[]>} Metrics points by metric
 * @typedef {Record<string, Metrics>} Stages metrics by stage
 * @typedef {{section: HTMLElement, first: HTMLElement, more: HTMLElement, folded: HTMLElement,
 *   charts: Map<string, Chart>}} Group
 * @module
 */
import { Chart } from "./charts.js";
import { element } from "./elements.js";
import { isFirst, sorted } from "./metrics.js";

export class Curves {
  /** @param {HTMLElement} root @param {Map<string, string>} titles of the stages, in order
   * @param {string} own title of the round */
  constructor(root, titles, own) {
    this.root = root;
    this.titles = titles;
    this.own = own;
    this.smoothing = 0;
    /** @type {Map<string, Stages>} the stages of rounds laid over this one, by their titles */
    this.laid = new Map();
    /** @type {Map<string, Group>} */
    this.stages = new Map();
  }

  /** @param {Stages} news */
  add(news) {
    for (const stage of this.titles.keys()) if (news[stage]) this.#addStage(stage, news[stage]);
  }

  /** Lay another round's curves over those that are here. @param {string} round its title
   * @param {Stages} stages */
  lay(round, stages) {
    this.laid.set(round, stages);
    for (const [stage, { charts }] of this.stages) for (const chart of charts.values()) this.#layOver(chart, stage);
  }

  /** @param {string} round its title */
  take(round) {
    this.laid.delete(round);
    for (const chart of this.#all()) chart.remove(round);
  }

  /** @param {number} smoothing */
  smooth(smoothing) {
    this.smoothing = smoothing;
    for (const chart of this.#all()) chart.smooth(smoothing);
  }

  /** Mark the charts that alarms are about. @param {{metric: string, title: string, text: string}[]} alarms */
  warn(alarms) {
    const about = new Map(alarms.map(({ metric, title, text }) => [metric, `${title}: ${text}`]));
    for (const chart of this.stages.get("ppo")?.charts.values() ?? []) chart.warn(about.get(chart.name) ?? "");
  }

  redraw() {
    for (const chart of this.#all()) chart.draw(true);
  }

  destroy() {
    for (const chart of this.#all()) chart.destroy();
    this.root.replaceChildren();
  }

  #all() {
    return [...this.stages.values()].flatMap(({ charts }) => [...charts.values()]);
  }

  /** @param {string} stage @param {Metrics} metrics */
  #addStage(stage, metrics) {
    const group = this.stages.get(stage) ?? this.#open(stage);
    const unseen = sorted(Object.keys(metrics)).filter((name) => !group.charts.has(name));
    const charts = unseen.map((name) => this.#chart(name, group));
    group.folded.hidden = !group.more.childElementCount;
    for (const [name, points] of Object.entries(metrics)) group.charts.get(name)?.add(points, this.own);
    for (const chart of charts) this.#layOver(chart, stage);
  }

  /** @param {string} name @param {Group} group */
  #chart(name, group) {
    const chart = new Chart(name);
    chart.smoothing = this.smoothing;
    group.charts.set(name, chart);
    (isFirst(name) ? group.first : group.more).append(chart.root);
    return chart;
  }

  /** @param {Chart} chart @param {string} stage */
  #layOver(chart, stage) {
    for (const [round, stages] of this.laid) {
      const points = stages[stage]?.[chart.name];
      if (points) chart.add(points, round);
    }
  }

  /** @param {string} stage @returns {Group} */
  #open(stage) {
    const first = element("div", { class: "charts" });
    const more = element("div", { class: "charts" });
    const folded = element("details", {}, [element("summary", {}, ["More figures of this stage"]), more]);
    const section = element("section", { class: "stage-curves" }, [element("h3", {}, [this.titles.get(stage) ?? stage]), first, folded]);
    const order = [...this.titles.keys()];
    const next = [...this.stages].filter(([name]) => order.indexOf(name) > order.indexOf(stage)).map(([, group]) => group.section)[0];
    this.root.insertBefore(section, next ?? null);
    const group = { section, first, more, folded, charts: new Map() };
    this.stages.set(stage, group);
    return group;
  }
}
