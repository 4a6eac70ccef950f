/** What all cells of a model did over a text, as `/v1/states` tells it coarsely. */

/** @typedef {{layer: number, cell: number}} Place A cell: its layer from 1, its place in the layer from 0. */

export class Activity {
  /**
   * @param {{layers: number, cells: number, values: string}} told
   * @param {number} length Tokens of the text.
   */
  constructor({ layers, cells, values }, length) {
    this.layers = layers;
    this.cells = cells;
    this.length = length;
    this.bytes = Int8Array.from(atob(values), (sign) => sign.charCodeAt(0));
  }

  /** The value of a cell at a token, -1 to 1. */
  at(/** @type {Place} */ { layer, cell }, /** @type {number} */ token) {
    return this.bytes[((layer - 1) * this.length + token) * this.cells + cell] / 127;
  }

  /** The values of a cell, one for each token. */
  of(/** @type {Place} */ place) {
    return Float32Array.from({ length: this.length }, (_, token) => this.at(place, token));
  }

  /**
   * The cells that are on exactly at some tokens, the best first: those whose values correlate most with being there.
   *
   * @param {number} from The first token.
   * @param {number} to The token behind the last.
   * @param {number} count
   * @returns {(Place & {r: number})[]}
   */
  on(from, to, count) {
    const share = (to - from) / this.length;
    const spread = Math.sqrt(share * (1 - share));
    return this.#best(count, (sum, squares, inside) => {
      const mean = sum / this.length;
      const deviation = Math.sqrt(Math.max(0, squares / this.length - mean * mean));
      return deviation > 0.5 && spread > 0 ? (inside / this.length - share * mean) / (deviation * spread) : 0;
    }, from, to);
  }

  /** The cells that vary most, that which varies most first; r is 0. */
  restless(/** @type {number} */ count) {
    const found = this.#best(count, (sum, squares) => squares / this.length - (sum / this.length) ** 2);
    return found.map((place) => ({ ...place, r: 0 }));
  }

  /**
   * The cells with the greatest score, whatever its sign. A score is made of the sum of a cell's bytes, of their squares,
   * and the sum inside a range.
   *
   * @param {number} count
   * @param {(sum: number, squares: number, inside: number) => number} score
   */
  #best(count, score, from = 0, to = 0) {
    /** @type {(Place & {r: number})[]} */
    const found = [];
    for (let layer = 1; layer <= this.layers; layer++) {
      const sum = new Float64Array(this.cells);
      const squares = new Float64Array(this.cells);
      const inside = new Float64Array(this.cells);
      for (let token = 0; token < this.length; token++) {
        const start = ((layer - 1) * this.length + token) * this.cells;
        for (let cell = 0; cell < this.cells; cell++) {
          const value = this.bytes[start + cell];
          sum[cell] += value;
          squares[cell] += value * value;
          if (token >= from && token < to) inside[cell] += value;
        }
      }
      for (let cell = 0; cell < this.cells; cell++) found.push({ layer, cell, r: score(sum[cell], squares[cell], inside[cell]) });
    }
    return found.sort((one, other) => Math.abs(other.r) - Math.abs(one.r)).slice(0, count);
  }
}
