/** How far back gradients reach: |dL_T/dh_t| of one layer on the adding problem, as `training/lab/gradients.py` has it. */

/**
 * A layer of H cells over inputs of two numbers, and one output, by torch's names; each a list of numbers, row by row.
 *
 * @typedef {Record<"weight_ih" | "weight_hh" | "bias_ih" | "bias_hh" | "output_weight" | "output_bias", number[]>} Weights
 */

/** @typedef {"rnn" | "lstm" | "gru"} Kind */
/** @typedef {{h: number[], c: number[], sums: number[], gates: Record<string, number[]>, inner: number[]}} Step */

/** Blocks of H rows in the weights. */
export const BLOCKS = { rnn: 1, lstm: 4, gru: 3 };

const sigmoid = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** W x + b for a matrix of rows as long as x. */
function product(/** @type {number[]} */ matrix, /** @type {number[]} */ vector, /** @type {number[]} */ bias) {
  return bias.map((start, row) => vector.reduce((sum, value, column) => sum + matrix[row * vector.length + column] * value, start));
}

/** The steps of a layer over a sequence. */
function forward(/** @type {Kind} */ kind, /** @type {Weights} */ weights, /** @type {number[][]} */ inputs) {
  const size = weights.output_weight.length;
  const block = (/** @type {number[]} */ values, /** @type {number} */ number) => values.slice(number * size, (number + 1) * size);
  let h = Array(size).fill(0);
  let c = Array(size).fill(0);
  return inputs.map((x) => {
    const input = product(weights.weight_ih, x, weights.bias_ih);
    const state = product(weights.weight_hh, h, weights.bias_hh);
    const sums = input.map((value, place) => value + state[place]);
    /** @type {Record<string, number[]>} */
    let gates = {};
    /** @type {number[]} */
    let inner = [];
    if (kind === "rnn") h = sums.map(Math.tanh);
    else if (kind === "lstm") {
      const [i, f, g, o] = [block(sums, 0).map(sigmoid), block(sums, 1).map(sigmoid), block(sums, 2).map(Math.tanh), block(sums, 3).map(sigmoid)];
      gates = { i, f, g, o };
      c = c.map((value, place) => f[place] * value + i[place] * g[place]);
      h = c.map((value, place) => o[place] * Math.tanh(value));
    } else {
      const [r, z] = [block(sums, 0).map(sigmoid), block(sums, 1).map(sigmoid)];
      inner = block(state, 2);
      const n = block(input, 2).map((value, place) => Math.tanh(value + r[place] * inner[place]));
      gates = { r, z, n };
      h = h.map((value, place) => (1 - z[place]) * n[place] + z[place] * value);
    }
    return { h, c, sums, gates, inner };
  });
}

/**
 * |dL_T/dh_t|, and of an LSTM |dL_T/dc_t|, for T - t = 0 .. T - 1; L_T is the squared error of the output at the end.
 *
 * @param {Kind} kind
 * @param {Weights} weights
 * @param {number[][]} inputs T pairs of numbers.
 * @param {number} target
 * @returns {{h: number[], c?: number[]}}
 */
export function gradientNorms(kind, weights, inputs, target) {
  const size = weights.output_weight.length;
  const steps = /** @type {Step[]} */ (forward(kind, weights, inputs));
  const last = steps[steps.length - 1];
  const [said] = product(weights.output_weight, last.h, weights.output_bias);
  let dh = weights.output_weight.map((weight) => 2 * (said - target) * weight);
  /** @type {number[]} */
  let dc = Array(size).fill(0);
  /** @type {{h: number[], c: number[]}} */
  const norms = { h: [], c: [] };
  for (let time = steps.length - 1; time >= 0; time--) {
    const { h, c, gates, inner } = steps[time];
    const before = time ? steps[time - 1] : { h: Array(size).fill(0), c: Array(size).fill(0) };
    if (kind === "lstm") dc = dc.map((value, place) => value + dh[place] * gates.o[place] * (1 - Math.tanh(c[place]) ** 2));
    norms.h.push(Math.hypot(...dh));
    norms.c.push(Math.hypot(...dc));
    /** @type {number[]} */
    let sums = []; // dL by the products with h'
    let direct = Array(size).fill(0); // from h to h' without them
    if (kind === "rnn") sums = dh.map((value, place) => value * (1 - h[place] ** 2));
    else if (kind === "lstm") {
      const { i, f, g, o } = gates;
      const down = (/** @type {(place: number) => number} */ by) => dc.map((value, place) => value * by(place));
      sums = [
        ...down((place) => g[place] * i[place] * (1 - i[place])),
        ...down((place) => before.c[place] * f[place] * (1 - f[place])),
        ...down((place) => i[place] * (1 - g[place] ** 2)),
        ...dh.map((value, place) => value * Math.tanh(c[place]) * o[place] * (1 - o[place])),
      ];
      dc = down((place) => f[place]);
    } else {
      const { r, z, n } = gates;
      const candidate = dh.map((value, place) => value * (1 - z[place]) * (1 - n[place] ** 2));
      sums = [
        ...candidate.map((value, place) => value * inner[place] * r[place] * (1 - r[place])),
        ...dh.map((value, place) => value * (before.h[place] - n[place]) * z[place] * (1 - z[place])),
        ...candidate.map((value, place) => value * r[place]),
      ];
      direct = dh.map((value, place) => value * z[place]);
    }
    dh = direct.map((value, column) => sums.reduce((total, sum, row) => total + sum * weights.weight_hh[row * size + column], value));
  }
  return kind === "lstm" ? norms : { h: norms.h };
}
