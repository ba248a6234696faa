/** Marks in two rendered texts the words that they do not share. */
import { differing } from "./diff.js";

/** @typedef {{node: Text, start: number, text: string}} Word */

/** @param {Element} one @param {Element} other */
export function markDifferences(one, other) {
  const [words, others] = [wordsOf(one), wordsOf(other)];
  const [plain, plains] = [words, others].map((list) => list.map(({ text }) => text));
  mark(words, differing(plain, plains));
  mark(others, differing(plains, plain));
}

/** @param {Element} root @returns {Word[]} in the order of the text */
function wordsOf(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const words = [];
  while (walker.nextNode()) {
    const node = /** @type {Text} */ (walker.currentNode);
    for (const { 0: text, index } of node.data.matchAll(/\S+/g)) words.push({ node, start: index, text });
  }
  return words;
}

/** Neighbours are marked as one; backwards, so that what comes before in a text node keeps its place.
 * @param {Word[]} words @param {boolean[]} marks */
function mark(words, marks) {
  for (let last = words.length - 1; last >= 0; last -= 1) {
    if (!marks[last]) continue;
    let first = last;
    while (first > 0 && marks[first - 1] && words[first - 1].node === words[last].node) first -= 1;
    wrap(words[first], words[last]);
    last = first;
  }
}

/** @param {Word} first @param {Word} last of the same text node */
function wrap(first, last) {
  const range = document.createRange();
  range.setStart(first.node, first.start);
  range.setEnd(last.node, last.start + last.text.length);
  range.surroundContents(document.createElement("mark"));
}
