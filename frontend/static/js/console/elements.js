/** Elements made in one line; text is always text. @module */

/** @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, string>} [attributes] @param {(Node | string)[]} [children]
 * @returns {HTMLElementTagNameMap[T]} */
export function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A drawing of [low, high] with its point on a scale from 0 to 1, one half marked.
 * @param {{value: number, low: number, high: number}} figure @returns {SVGElement} */
export function intervalDrawing({ value, low, high }) {
  const drawing = svg("svg", { class: "interval", viewBox: "0 0 100 16", preserveAspectRatio: "none", role: "img", "aria-label": `from ${low.toFixed(2)} to ${high.toFixed(2)}` });
  drawing.append(
    svg("line", { x1: 0, x2: 100, y1: 8, y2: 8 }),
    svg("line", { class: "middle", x1: 50, x2: 50, y1: 0, y2: 16 }),
    svg("line", { class: "range", x1: 100 * low, x2: 100 * high, y1: 8, y2: 8 }),
    svg("line", { class: "point", x1: 100 * value, x2: 100 * value, y1: 2, y2: 14 }),
  );
  return drawing;
}

/** Amounts of two kinds, one after the other, on a scale up to `longest`.
 * @param {number[]} amounts @param {number} longest @returns {SVGElement} */
export function stackedBar(amounts, longest) {
  const drawing = svg("svg", { class: "stacked", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  let from = 0;
  for (const [place, amount] of amounts.entries()) {
    const width = longest ? (100 * amount) / longest : 0;
    drawing.append(svg("rect", { class: `part-${place + 1}`, x: from, y: 0, width, height: 10 }));
    from += width;
  }
  return drawing;
}

/** @param {string} tag @param {Record<string, string | number>} attributes @returns {SVGElement} */
function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
