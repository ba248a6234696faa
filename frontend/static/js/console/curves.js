/** All curves of a round: a group a stage, the telling ones first, the others folded. @module */
import { Chart } from "./charts.js";
import { element } from "./elements.js";
import { isFirst, sorted } from "./metrics.js";

export class Curves {
  /** @param {HTMLElement} root @param {Map<string, string>} titles of the stages, in order */
  constructor(root, titles) {
    this.root = root;
    this.titles = titles;
    /** @type {Map<string, {first: HTMLElement, more: HTMLElement, charts: Map<string, Chart>}>} */
    this.stages = new Map();
  }

  /** @param {Record<string, Record<string, import("./charts.js").Point[]>>} news */
  add(news) {
    for (const stage of this.titles.keys()) {
      if (news[stage]) this.#addStage(stage, news[stage]);
    }
  }

  redraw() {
    for (const { charts } of this.stages.values()) for (const chart of charts.values()) chart.draw(true);
  }

  destroy() {
    for (const { charts } of this.stages.values()) for (const chart of charts.values()) chart.destroy();
    this.root.replaceChildren();
  }

  #addStage(stage, metrics) {
    const group = this.stages.get(stage) ?? this.#open(stage);
    const isNew = sorted(Object.keys(metrics)).filter((name) => !group.charts.has(name));
    for (const name of isNew) {
      const chart = new Chart(name);
      group.charts.set(name, chart);
      (isFirst(name) ? group.first : group.more).append(chart.root);
    }
    group.more.parentElement.hidden = !group.more.childElementCount;
    for (const [name, points] of Object.entries(metrics)) group.charts.get(name).add(points);
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
