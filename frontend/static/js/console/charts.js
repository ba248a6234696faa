/**
 * One curve over steps, with axis titles, its latest value and a table behind it.
 *
 * @typedef {[number, number | null]} Point step and value
 * @module
 */
import uPlot from "uplot";

import { element } from "./elements.js";
import { number } from "./format.js";
import { meaning } from "./metrics.js";

export class Chart {
  /** @param {string} name of the metric */
  constructor(name) {
    this.name = name;
    /** @type {Map<number, number | null>} */
    this.values = new Map();
    this.meaning = meaning(name);
    this.latest = element("b");
    this.plotBox = element("div", { class: "chart-plot" });
    this.body = element("tbody");
    this.root = element("figure", { class: "chart" }, [
      element("h3", {}, [this.meaning.title, this.latest]),
      this.plotBox,
      this.#table(),
    ]);
    this.watcher = new ResizeObserver(() => this.#resize());
    this.watcher.observe(this.plotBox);
  }

  /** Take points; a step that came before is replaced. @param {Point[]} points */
  add(points) {
    for (const [step, value] of points) this.values.set(step, value);
    this.steps = [...this.values.keys()].sort((a, b) => a - b);
    this.series = this.steps.map((step) => this.values.get(step) ?? null);
    this.latest.textContent = number(this.series.at(-1));
    this.#fillTable();
    this.draw();
  }

  /** Draw, or draw again: the theme may have changed. */
  draw(afresh = false) {
    if (!this.steps || !this.plotBox.clientWidth) return;
    const data = [this.steps, this.series];
    if (this.plot && !afresh) return this.plot.setData(data);
    this.plot?.destroy();
    this.plot = new uPlot(this.#options(), data, this.plotBox);
  }

  destroy() {
    this.watcher.disconnect();
    this.plot?.destroy();
  }

  #resize() {
    if (this.plot) this.plot.setSize(this.#size());
    else this.draw();
  }

  #size() {
    return { width: this.plotBox.clientWidth, height: this.plotBox.clientHeight };
  }

  #options() {
    const ink = colour("--ink-quiet");
    const font = `12px ${getComputedStyle(this.plotBox).fontFamily}`;
    const axis = { stroke: ink, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font, labelFont: font, labelSize: 22, labelGap: 2 };
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { y: false },
      padding: [8, 8, 0, 0],
      scales: { x: { time: false }, y: { range: (_, low, high) => (low === high ? [low, low + 1] : uPlot.rangeNum(low, high, 0.1, true)) } },
      series: [
        { label: "Step" },
        { label: this.meaning.title, stroke: colour("--accent"), width: 2, spanGaps: true, points: { show: this.steps.length < 30, size: 5 } },
      ],
      axes: [
        { ...axis, label: "Step", size: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] },
        { ...axis, label: this.meaning.unit, size: 58, values: (_, ticks) => ticks.map(number) },
      ],
    };
  }

  #table() {
    const head = element("tr", {}, [element("th", {}, ["Step"]), element("th", { class: "number" }, [this.meaning.unit])]);
    const table = element("table", { class: "table" }, [element("thead", {}, [head]), this.body]);
    const scroll = element("div", { class: "table-scroll", tabindex: "0" }, [table]);
    return element("details", {}, [element("summary", {}, ["Table"]), scroll]);
  }

  #fillTable() {
    const rows = this.steps.map((step, place) =>
      element("tr", {}, [element("td", {}, [number(step)]), element("td", { class: "number" }, [number(this.series[place])])]));
    this.body.replaceChildren(...rows.reverse());
  }
}

/** A token's colour as a canvas understands it. @param {string} token */
function colour(token) {
  const probe = element("span", { hidden: "" });
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
