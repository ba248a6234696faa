/**
 * Which words of two texts differ: the longest common run of words stays unmarked. Pure.
 *
 * @module
 */

/** For each word of `words`, whether it is missing from what it shares with `other`.
 * @param {string[]} words @param {string[]} other @returns {boolean[]} */
export function differing(words, other) {
  const lengths = commonLengths(words, other);
  const marks = new Array(words.length).fill(true);
  let i = 0;
  let j = 0;
  while (i < words.length && j < other.length) {
    if (words[i] === other[j]) {
      marks[i] = false;
      i += 1;
      j += 1;
    } else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return marks;
}

/** lengths[i][j]: how many words words[i:] and other[j:] have in common, in order.
 * @param {string[]} words @param {string[]} other @returns {Uint16Array[]} */
function commonLengths(words, other) {
  const lengths = Array.from({ length: words.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = words.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = words[i] === other[j]
        ? lengths[i + 1][j + 1] + 1
        : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}
