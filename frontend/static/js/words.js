/** Counts words in any script, by the rules of the language. @param {string} text
 * @param {string} [language] @returns {number} */
export function wordCount(text, language = "en") {
  const segmenter = new Intl.Segmenter(language, { granularity: "word" });
  return [...segmenter.segment(text)].filter(({ isWordLike }) => isWordLike).length;
}
