/** All curves of a round: a group a stage, the telling ones first, the others folded. @module */
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
    /** @type {Map<string, any>} the stages of rounds laid over this one, by their titles */
    this.laid = new Map();
    /** @type {Map<string, {section: HTMLElement, first: HTMLElement, more: HTMLElement, charts: Map<string, Chart>}>} */
    this.stages = new Map();
  }

  /** @param {Record<string, Record<string, import("./charts.js").Point[]>>} news */
  add(news) {
    for (const stage of this.titles.keys()) if (news[stage]) this.#addStage(stage, news[stage]);
  }

  /** Lay another round's curves over those that are here. @param {string} round its title */
  lay(round, stages) {
    this.laid.set(round, stages);
    for (const [stage, { charts }] of this.stages) for (const chart of charts.values()) this.#layOver(chart, stage);
  }

  /** @param {string} round its title */
  take(round) {
    this.laid.delete(round);
    for (const chart of this.#all()) chart.remove(round);
  }

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

  #addStage(stage, metrics) {
    const group = this.stages.get(stage) ?? this.#open(stage);
    const isNew = sorted(Object.keys(metrics)).filter((name) => !group.charts.has(name));
    for (const name of isNew) {
      const chart = new Chart(name);
      chart.smoothing = this.smoothing;
      group.charts.set(name, chart);
      (isFirst(name) ? group.first : group.more).append(chart.root);
    }
    group.more.parentElement.hidden = !group.more.childElementCount;
    for (const [name, points] of Object.entries(metrics)) group.charts.get(name).add(points, this.own);
    for (const name of isNew) this.#layOver(group.charts.get(name), stage);
  }

  #layOver(chart, stage) {
    for (const [round, stages] of this.laid) {
      const points = stages[stage]?.[chart.name];
      if (points) chart.add(points, round);
    }
  }

  #open(stage) {
    const first = element("div", { class: "charts" });
    const more = element("div", { class: "charts" });
    const folded = element("details", {}, [element("summary", {}, ["More figures of this stage"]), more]);
    const section = element("section", { class: "stage-curves" }, [element("h3", {}, [this.titles.get(stage)]), first, folded]);
    const order = [...this.titles.keys()];
    const next = [...this.stages].filter(([name]) => order.indexOf(name) > order.indexOf(stage)).map(([, group]) => group.section)[0];
    this.root.insertBefore(section, next ?? null);
    const group = { section, first, more, charts: new Map() };
    this.stages.set(stage, group);
    return group;
  }
}
