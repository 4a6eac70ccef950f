/** The letters that a network hears at each moment of a recording, and the likeliest path through them. */

/** A piece of a recording, as the server tells it. */
/** @typedef {{start: number, step: number, letters: string[], probabilities: string}} Piece */

/** A letter of the likeliest path: when it is said, in seconds, when surest, and how sure that is. */
/** @typedef {{letter: string, start: number, end: number, peak: number, probability: number}} Said */

export class Posteriors {
  constructor(/** @type {Piece} */ { start, step, letters, probabilities }) {
    this.start = start;
    this.step = step;
    this.letters = letters;
    this.bytes = Uint8Array.from(atob(probabilities), (sign) => sign.charCodeAt(0));
    this.length = this.bytes.length / letters.length;
  }

  /** The probability of a letter, by its place, at a frame. */
  at(/** @type {number} */ frame, /** @type {number} */ letter) {
    return this.bytes[frame * this.letters.length + letter] / 255;
  }

  /** The likeliest path: equal letters in a row are one, and blanks are none. */
  path() {
    /** @type {Said[]} */
    const said = [];
    let before = 0;
    for (let frame = 0; frame < this.length; frame++) {
      const row = this.bytes.subarray(frame * this.letters.length, (frame + 1) * this.letters.length);
      const best = row.indexOf(Math.max(...row));
      const [from, to] = [this.start + frame * this.step, this.start + (frame + 1) * this.step];
      if (best && best !== before) said.push({ letter: this.letters[best], start: from, end: to, peak: from, probability: 0 });
      const last = said[said.length - 1];
      if (best) {
        last.end = to;
        if (this.at(frame, best) > last.probability) Object.assign(last, { peak: from, probability: this.at(frame, best) });
      }
      before = best;
    }
    return said;
  }
}
