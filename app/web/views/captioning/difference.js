/** Where two sentences differ, word by word. */

/**
 * Marks the words that another sentence does not have in the same order: those outside their longest common subsequence.
 *
 * @param {string[]} words
 * @param {string[]} others
 * @returns {boolean[]} One for each word.
 */
export function differing(words, others) {
  /** @type {number[][]} */
  const common = Array.from({ length: words.length + 1 }, () => Array(others.length + 1).fill(0)); // of what is left of both
  for (let one = words.length - 1; one >= 0; one--) {
    for (let other = others.length - 1; other >= 0; other--) {
      common[one][other] = words[one] === others[other] ? common[one + 1][other + 1] + 1 : Math.max(common[one + 1][other], common[one][other + 1]);
    }
  }
  let other = 0;
  return words.map((word, one) => {
    while (other < others.length && word !== others[other] && common[one][other + 1] >= common[one + 1][other]) other += 1;
    if (word !== others[other]) return true;
    other += 1;
    return false;
  });
}

/** A sentence as nodes, with what differs from another one in `mark` elements. */
export function marked(/** @type {string} */ text, /** @type {string} */ than) {
  const words = text.split(" ");
  const bare = (/** @type {string} */ word) => word.toLowerCase().replace(/[.,!?]+$/, ""); // where a sentence ends makes no other word
  const marks = differing(words.map(bare), than.split(" ").map(bare));
  return words.flatMap((word, place) => {
    const node = marks[place] ? Object.assign(document.createElement("mark"), { textContent: word }) : word;
    return place ? [" ", node] : [node];
  });
}
