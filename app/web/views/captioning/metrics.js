/** CIDEr and BLEU of single captions, as pycocoevalcap computes them from tokens that are parted by spaces. */

const LONGEST = 4; // words of an n-gram
const SIGMA = 6; // of CIDEr-D's penalty on lengths

/** How often each n-gram of a sentence occurs in it, by its length. */
/** @returns {Map<string, number>[]} */
function grams(/** @type {string} */ sentence) {
  const words = sentence.split(/\s+/).filter(Boolean);
  return Array.from({ length: LONGEST }, (_, less) => {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (let start = 0; start + less < words.length; start++) {
      const gram = words.slice(start, start + less + 1).join(" ");
      counts.set(gram, (counts.get(gram) ?? 0) + 1);
    }
    return counts;
  });
}

/**
 * CIDEr-D (Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based image description evaluation", 2015), with the document
 * frequencies of these references.
 */
export class Cider {
  /** @type {Map<string, number>} pictures that have an n-gram in any of their references */
  #frequency = new Map();

  /** @param {Iterable<string[]>} references Those of each picture. */
  constructor(references) {
    let pictures = 0;
    for (const sentences of references) {
      pictures += 1;
      const seen = new Set(sentences.flatMap((sentence) => grams(sentence).flatMap((counts) => [...counts.keys()])));
      for (const gram of seen) this.#frequency.set(gram, (this.#frequency.get(gram) ?? 0) + 1);
    }
    this.logPictures = Math.log(pictures);
  }

  /** The score of a caption against its picture's references, 0 to 10. */
  score(/** @type {string} */ caption, /** @type {string[]} */ references) {
    const one = this.#vectors(caption);
    const sum = references.reduce((total, reference) => total + similarity(one, this.#vectors(reference)), 0);
    return (10 * sum) / LONGEST / references.length;
  }

  #vectors(/** @type {string} */ sentence) {
    const counts = grams(sentence);
    const weights = counts.map((all) => new Map(Array.from(all, ([gram, count]) => [gram, count * (this.logPictures - Math.log(Math.max(1, this.#frequency.get(gram) ?? 0)))])));
    const norms = weights.map((all) => Math.sqrt([...all.values()].reduce((sum, weight) => sum + weight ** 2, 0)));
    const length = [...counts[1].values()].reduce((sum, count) => sum + count, 0); // in bigrams, as there
    return { weights, norms, length };
  }
}

/** @typedef {{weights: Map<string, number>[], norms: number[], length: number}} Vectors */

/** The clipped cosines of two sentences, added up over the lengths of n-grams. */
function similarity(/** @type {Vectors} */ one, /** @type {Vectors} */ other) {
  const penalty = Math.exp(-((one.length - other.length) ** 2) / (2 * SIGMA ** 2));
  return one.weights.reduce((total, weights, place) => {
    const product = Array.from(weights).reduce((sum, [gram, weight]) => {
      const theirs = other.weights[place].get(gram) ?? 0;
      return sum + Math.min(weight, theirs) * theirs;
    }, 0);
    const norm = one.norms[place] * other.norms[place];
    return total + penalty * (norm ? product / norm : product);
  }, 0);
}

/**
 * BLEU-1 to BLEU-4 of a caption (Papineni et al., "BLEU: a method for automatic evaluation of machine translation", 2002),
 * against the reference of the closest length.
 *
 * @param {string} caption
 * @param {string[]} references
 */
export function bleu(caption, references) {
  const [small, tiny] = [1e-9, 1e-15]; // so that nothing is divided by zero, as there
  const own = grams(caption);
  const theirs = references.map(grams);
  const count = (/** @type {Map<string, number>[]} */ all) => [...all[0].values()].reduce((sum, one) => sum + one, 0);
  const length = count(own);
  const closest = theirs.map(count).sort((one, other) => Math.abs(one - length) - Math.abs(other - length) || one - other)[0];
  const ratio = (length + tiny) / (closest + small);
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return own.map((counts, place) => {
    const correct = Array.from(counts).reduce((sum, [gram, times]) => sum + Math.min(times, Math.max(...theirs.map((all) => all[place].get(gram) ?? 0))), 0);
    product *= (correct + tiny) / (Math.max(0, length - place) + small);
    return product ** (1 / (place + 1)) * brevity;
  });
}

const WORD = /n't(?![\p{L}\p{N}_])|'(?:s|re|ve|ll|d|m)(?![\p{L}\p{N}_])|[\p{L}\p{N}]+?(?=n't(?![\p{L}\p{N}_]))|[\p{L}\p{N}]+(?:[-./][\p{L}\p{N}]+)*/gu;

/** A sentence as the tokens that captions are scored by, close to the PTB tokenizer's; see `tokenize` in model/vocabulary.py. */
export function tokens(/** @type {string} */ sentence) {
  return (sentence.toLowerCase().replaceAll("’", "'").normalize("NFC").match(WORD) ?? []).join(" ");
}
