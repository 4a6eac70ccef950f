/** The words of a text and of its translation, and how much of each the network saw when it wrote the other. */

/** A word: its text, and the places of its pieces. */
/** @typedef {{text: string, pieces: number[]}} Word */

/** The words that pieces make; signs are words of their own, and an empty piece is the end of a sentence. */
export function words(/** @type {string[]} */ pieces) {
  /** @type {Word[]} */
  const found = [];
  pieces.forEach((piece, place) => {
    const last = found[found.length - 1];
    const goesOn = last && /^[\p{L}\p{N}<]/u.test(piece) && /[\p{L}\p{N}>]$/u.test(last.text);
    if (goesOn) {
      last.text += piece;
      last.pieces.push(place);
    } else found.push({ text: piece.trim() || "⏎", pieces: [place] });
  });
  return found;
}

/**
 * The share of a target word's attention that each source word had, a row for each target word, adding up to 1.
 *
 * @param {Word[]} source
 * @param {Word[]} target
 * @param {number[][]} attention Of each target piece, a weight for each source piece.
 */
export function matrix(source, target, attention) {
  return target.map(({ pieces }) =>
    source.map((word) => {
      const sums = pieces.map((piece) => word.pieces.reduce((sum, place) => sum + attention[piece][place], 0));
      return sums.reduce((sum, value) => sum + value, 0) / pieces.length;
    }),
  );
}

/**
 * What other translations say after the same words: their next word, and the translations that have it.
 *
 * @param {Word[][]} translations The first is the one that is shown.
 * @param {number} place Of a word in it.
 * @returns {{text: string, numbers: number[]}[]}
 */
export function others([shown, ...rest], place) {
  /** @type {Map<string, number[]>} */
  const found = new Map();
  rest.forEach((translation, number) => {
    const same = shown.slice(0, place).every(({ text }, before) => translation[before]?.text === text);
    const next = translation[place]?.text;
    if (same && next && next !== shown[place].text) found.set(next, [...(found.get(next) ?? []), number + 1]);
  });
  return [...found].map(([text, numbers]) => ({ text, numbers }));
}
