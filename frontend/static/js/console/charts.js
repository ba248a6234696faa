/**
 * One metric over steps, of this round and of others laid over it: smoothed where asked, with axis
 * titles, the latest values under it and the whole table behind it. Left and right arrow keys move
 * the cursor.
 *
 * @typedef {[number, number | null]} Point step and value
 * @module
 */
import uPlot from "uplot";

import { element } from "./elements.js";
import { number } from "./format.js";
import { meaning } from "./metrics.js";
import { align, smoothed } from "./smoothing.js";

const INKS = ["--accent", "--code-number", "--code-keyword", "--code-string", "--code-name"];
const TOUCH = 24;
/** @type {Record<string, number>} */
const ARROWS = { ArrowLeft: -1, ArrowRight: 1 };

export class Chart {
  /** @param {string} name of the metric */
  constructor(name) {
    this.name = name;
    /** @type {Map<string, Map<number, number | null>>} the curve of each round, this one's first */
    this.curves = new Map();
    this.smoothing = 0;
    /** @type {string[]} of the rounds, as the curves */
    this.names = [];
    /** @type {number[]} */
    this.steps = [];
    /** @type {(number | null)[][]} each curve's values on the steps */
    this.raw = [];
    /** @type {(number | null)[][]} */
    this.smooths = [];
    /** @type {uPlot.AlignedData | null} */
    this.data = null;
    /** @type {uPlot | null} */
    this.plot = null;
    /** @type {number | null | undefined} the cursor's place among the steps */
    this.at = null;
    this.meaning = meaning(name);
    this.latest = element("b");
    this.plotBox = element("div", { class: "chart-plot", tabindex: "0", role: "img" });
    this.plotBox.addEventListener("keydown", (event) => this.#step(event));
    this.said = element("p", { class: "small quiet chart-cursor", "aria-live": "polite" });
    this.summary = element("tbody");
    this.head = element("tr");
    this.body = element("tbody");
    this.details = this.#table();
    this.root = element("figure", { class: "chart" }, [
      element("h3", {}, [this.meaning.title, this.latest]),
      this.plotBox,
      this.said,
      element("div", { class: "table-scroll", tabindex: "0" }, [this.#latestTable()]),
      this.details,
    ]);
    this.watcher = new ResizeObserver(() => this.#resize());
    this.watcher.observe(this.plotBox);
  }

  /** Take points; a step that came before is replaced. @param {Point[]} points @param {string} round */
  add(points, round) {
    const curve = this.curves.get(round) ?? new Map();
    for (const [step, value] of points) curve.set(step, value);
    this.curves.set(round, curve);
    this.#show();
  }

  /** Take another round's curve away. @param {string} round */
  remove(round) {
    if (this.curves.delete(round)) this.#show(true);
  }

  /** @param {number} smoothing 0, as it was, to 1 */
  smooth(smoothing) {
    this.smoothing = smoothing;
    this.#show(true);
  }

  /** An alarm about this metric, or none. @param {string} words */
  warn(words) {
    this.root.classList.toggle("chart-alarm", words !== "");
    this.root.title = words;
  }

  /** Draw, or draw again: the theme may have changed. */
  draw(afresh = false) {
    if (!this.data || !this.plotBox.clientWidth) return;
    if (this.plot && !afresh && this.plot.series.length === this.data.length) return this.plot.setData(this.data);
    this.plot?.destroy();
    this.plot = new uPlot(this.#options(), this.data, this.plotBox);
  }

  destroy() {
    this.watcher.disconnect();
    this.plot?.destroy();
  }

  #show(afresh = false) {
    this.names = [...this.curves.keys()];
    [this.steps, ...this.raw] = align([...this.curves.values()]);
    this.smooths = this.smoothing ? this.raw.map((values) => smoothed(values, this.smoothing)) : [];
    this.data = [this.steps, ...this.raw, ...this.smooths];
    this.latest.textContent = number(last(this.smooths[0] ?? this.raw[0]));
    this.plotBox.setAttribute("aria-label", `${this.meaning.title} in ${this.meaning.unit} over steps; its values stand in the table. Arrow keys move along the curve.`);
    this.#fillLatest();
    this.#fillTable();
    this.draw(afresh);
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const by = ARROWS[event.key];
    if (!by || !this.plot) return;
    event.preventDefault();
    const at = Math.min(this.steps.length - 1, Math.max(0, (this.at ?? this.steps.length) + by));
    this.plot.setCursor({ left: this.plot.valToPos(this.steps[at], "x"), top: TOUCH });
  }

  /** @param {number | null | undefined} at */
  #tell(at) {
    this.at = at;
    if (at === null || at === undefined) {
      this.said.textContent = "";
      return;
    }
    const told = this.names.map((name, place) => `${this.names.length > 1 ? `${name} ` : ""}${number(this.raw[place][at])}`).join(" · ");
    this.said.textContent = told && `Step ${number(this.steps[at])}: ${told}`;
  }

  #resize() {
    if (this.plot) this.plot.setSize(this.#size());
    else this.draw();
  }

  #size() {
    return { width: this.plotBox.clientWidth, height: this.plotBox.clientHeight };
  }

  /** @returns {uPlot.Options} */
  #options() {
    const ink = colour("--ink-quiet");
    const font = `12px ${getComputedStyle(this.plotBox).fontFamily}`;
    const axis = { stroke: ink, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font, labelFont: font, labelSize: 22, labelGap: 2 };
    /** @type {(name: string, place: number, pale: boolean) => uPlot.Series} */
    const line = (name, place, pale) => ({
      label: name, stroke: colour(INKS[place % INKS.length]), width: pale ? 1 : 2, alpha: pale ? 0.35 : 1, spanGaps: true,
      dash: place ? [6, 3] : undefined, points: { show: !pale && this.steps.length < 30, size: 5 },
    });
    const pale = this.smooths.length > 0;
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { y: false },
      hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx)] },
      padding: [8, 8, 0, 0],
      scales: { x: { time: false }, y: { range: (_, low, high) => (low === high ? [low, low + 1] : uPlot.rangeNum(low, high, 0.1, true)) } },
      series: [
        { label: "Step" },
        ...this.names.map((name, place) => line(name, place, pale)),
        ...this.smooths.map((_, place) => line(`${this.names[place]}, smoothed`, place, false)),
      ],
      axes: [
        { ...axis, label: "Step", size: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] },
        { ...axis, label: this.meaning.unit, size: 58, values: (_, ticks) => ticks.map(number) },
      ],
    };
  }

  #latestTable() {
    const heads = ["Round", "Latest", "Lowest", "Highest"].map((text, place) => element("th", place ? { class: "number", scope: "col" } : { scope: "col" }, [text]));
    return element("table", { class: "table latest" }, [element("thead", {}, [element("tr", {}, heads)]), this.summary]);
  }

  #fillLatest() {
    this.summary.replaceChildren(...this.names.map((name, place) => {
      const values = this.raw[place].filter((value) => value !== null);
      const cells = [last(values), Math.min(...values), Math.max(...values)];
      const swatch = element("span", { class: `swatch swatch-${(place % INKS.length) + 1}`, "aria-hidden": "true" });
      return element("tr", {}, [element("th", { scope: "row" }, [swatch, name]), ...cells.map((value) => element("td", { class: "number" }, [number(Number.isFinite(value) ? value : null)]))]);
    }));
  }

  #table() {
    const table = element("table", { class: "table" }, [element("thead", {}, [this.head]), this.body]);
    const scroll = element("div", { class: "table-scroll", tabindex: "0" }, [table]);
    const details = element("details", {}, [element("summary", {}, ["All values"]), scroll]);
    details.addEventListener("toggle", () => this.#fillTable());
    return details;
  }

  #fillTable() {
    if (!this.details.open) return;
    this.head.replaceChildren(element("th", {}, ["Step"]), ...this.names.map((name) => element("th", { class: "number" }, [this.names.length > 1 ? name : this.meaning.unit])));
    const rows = this.steps.map((step, place) =>
      element("tr", {}, [element("td", {}, [number(step)]), ...this.raw.map((values) => element("td", { class: "number" }, [number(values[place])]))]));
    this.body.replaceChildren(...rows.reverse());
  }
}

/** @param {(number | null)[] | undefined} values */
function last(values) {
  return values?.findLast((value) => value !== null);
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
