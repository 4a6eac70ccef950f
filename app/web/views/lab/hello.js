/** The network that learns to spell "hello", as `training/lab/hello.py` has it: four letters, a few hidden numbers. */

export const LETTERS = [..."helo"];
export const WORD = [..."hello"];

/**
 * Weights by torch's names, each a list of numbers, row by row: `weight_ih` (H, 4), `weight_hh` (H, H), two biases (H,),
 * and of the output (4, H) and (4,).
 *
 * @typedef {Record<"weight_ih" | "weight_hh" | "bias_ih" | "bias_hh" | "output_weight" | "output_bias", number[]>} Weights
 */

/** @typedef {{letter: string, target: string, hidden: number[], scores: number[], shares: number[]}} Step */

/**
 * The weights that `recap-train lab hello` begins with.
 *
 * @type {Weights}
 */
export const START = {
  weight_ih: [0.297487348, -0.254829824, -0.111925982, 0.270990282, -0.543538809, 0.346246928, -0.118775561, 0.293723404, 0.0802614912, -0.0706931651, 0.16013439, 0.0284817182],
  weight_hh: [0.210864589, -0.224993974, -0.0420938917, -0.0519773029, 0.0836834311, -0.00230641174, 0.504700363, 0.1796657, -0.21500884],
  bias_ih: [-0.348697245, -0.096772939, -0.249034658],
  bias_hh: [-0.185011029, 0.0276444554, 0.344174504],
  output_weight: [0.313811034, -0.564389229, 0.357911259, 0.16129081, 0.547648728, 0.381085694, -0.526045561, -0.54894948, -0.278474569, 0.506978035, -0.0961686522, 0.247082502],
  output_bias: [-0.268301249, 0.566506445, -0.244276002, 0.432969272],
};

/** One step: h = tanh(W_ih x + b_ih + W_hh h' + b_hh), y = W_hy h + b_y, for a letter and h'. */
function step(/** @type {Weights} */ weights, /** @type {string} */ letter, /** @type {number[]} */ before) {
  const size = weights.bias_ih.length;
  const place = LETTERS.indexOf(letter);
  const hidden = weights.bias_ih.map((bias, row) => {
    let sum = bias + weights.bias_hh[row] + weights.weight_ih[4 * row + place];
    for (let column = 0; column < size; column++) sum += weights.weight_hh[size * row + column] * before[column];
    return Math.tanh(sum);
  });
  const scores = weights.output_bias.map((bias, row) => hidden.reduce((sum, value, column) => sum + weights.output_weight[size * row + column] * value, bias));
  return { hidden, scores };
}

function softmax(/** @type {number[]} */ scores) {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/**
 * The network over "hell": a step for each letter.
 *
 * @returns {Step[]}
 */
export function run(/** @type {Weights} */ weights) {
  let before = weights.bias_ih.map(() => 0);
  return WORD.slice(0, -1).map((letter, time) => {
    const { hidden, scores } = step(weights, letter, before);
    before = hidden;
    return { letter, target: WORD[time + 1], hidden, scores, shares: softmax(scores) };
  });
}

/** Five letters from "h" on: each the one that scored highest after those before it. */
export function spell(/** @type {Weights} */ weights) {
  let before = weights.bias_ih.map(() => 0);
  let word = WORD[0];
  while (word.length < WORD.length) {
    const { hidden, scores } = step(weights, word[word.length - 1], before);
    before = hidden;
    word += LETTERS[scores.indexOf(Math.max(...scores))];
  }
  return word;
}

/** The mean loss in nats a letter, and its gradient: backpropagation through the four steps. */
export function differentiate(/** @type {Weights} */ weights) {
  const size = weights.bias_ih.length;
  const steps = run(weights);
  const loss = -steps.reduce((sum, { shares, target }) => sum + Math.log(shares[LETTERS.indexOf(target)]), 0) / steps.length;
  const gradient = /** @type {Weights} */ (Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, values.map(() => 0)])));
  let later = weights.bias_ih.map(() => 0); // dL/dh of a step, from the steps after it
  for (let time = steps.length - 1; time >= 0; time--) {
    const { hidden, shares, target, letter } = steps[time];
    const scores = shares.map((share, row) => (share - (LETTERS[row] === target ? 1 : 0)) / steps.length);
    const before = time ? steps[time - 1].hidden : weights.bias_ih.map(() => 0);
    const sums = hidden.map((value, column) => {
      const reaches = scores.reduce((sum, score, row) => sum + score * weights.output_weight[size * row + column], later[column]);
      return reaches * (1 - value * value); // tanh' = 1 - tanh²
    });
    scores.forEach((score, row) => {
      gradient.output_bias[row] += score;
      for (let column = 0; column < size; column++) gradient.output_weight[size * row + column] += score * hidden[column];
    });
    sums.forEach((sum, row) => {
      gradient.bias_ih[row] += sum;
      gradient.bias_hh[row] += sum;
      gradient.weight_ih[4 * row + LETTERS.indexOf(letter)] += sum;
      for (let column = 0; column < size; column++) gradient.weight_hh[size * row + column] += sum * before[column];
    });
    later = later.map((_, column) => sums.reduce((total, sum, row) => total + sum * weights.weight_hh[size * row + column], 0));
  }
  return { loss, gradient };
}

/**
 * Trains by plain gradient descent, as the command does.
 *
 * @param {Weights} weights
 * @param {{steps?: number, rate?: number}} [how]
 * @returns {{weights: Weights, loss: number}[]} The weights before each step with their loss, and those at the end.
 */
export function train(weights, { steps = 200, rate = 0.5 } = {}) {
  const path = [];
  let now = weights;
  for (let number = 0; number <= steps; number++) {
    const { loss, gradient } = differentiate(now);
    path.push({ weights: now, loss });
    now = /** @type {Weights} */ (Object.fromEntries(Object.entries(now).map(([name, values]) => [name, values.map((value, place) => value - rate * gradient[/** @type {keyof Weights} */ (name)][place])])));
  }
  return path;
}
