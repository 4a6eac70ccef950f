/** One LSTM cell of one number, in the nine forms of Greff et al. (2015), as `model/cells.py` has them. */

/** @typedef {{h: number, c: number, i: number, f: number, g: number, o: number}} State */

/**
 * Weights of one cell: for each block, those of the inputs, of h', and the bias; peepholes; and the gates of the step
 * before for `fgr`, from i, f, o (columns) to i, f, o (rows).
 *
 * @typedef {{input: Record<string, number[]>, hidden: Record<string, number>, bias: Record<string, number>,
 *   peephole: Record<string, number>, gates: number[][]}} Weights
 */

/** @typedef {"peephole" | "nig" | "nfg" | "nog" | "niaf" | "noaf" | "np" | "cifg" | "fgr"} Variant */

/** The variants: a name, and the parts of the drawing that each lacks. */
/** @type {Record<Variant, {title: string, lacks: string[]}>} */
export const VARIANTS = {
  peephole: { title: "vanilla, all of it", lacks: [] },
  nig: { title: "no input gate", lacks: ["i"] },
  nfg: { title: "no forget gate", lacks: ["f"] },
  nog: { title: "no output gate", lacks: ["o"] },
  niaf: { title: "no input activation", lacks: ["tanh-g"] },
  noaf: { title: "no output activation", lacks: ["tanh-c"] },
  np: { title: "no peepholes", lacks: ["p"] },
  cifg: { title: "coupled gates", lacks: ["f"] },
  fgr: { title: "full gate recurrence", lacks: [] },
};

/**
 * Weights of a memory: it takes the number when the mark is set, and keeps it until the next mark.
 *
 * @type {Weights}
 */
export const MEMORY = {
  input: { i: [0, 8], f: [0, -8], g: [2, 0], o: [0, 0] },
  hidden: { i: 0.2, f: 0.2, g: 0.3, o: 0.2 },
  bias: { i: -4, f: 4, g: 0, o: 1 },
  peephole: { i: 0.5, f: 0.5, o: 1 },
  gates: [
    [0.5, -0.5, 0.2],
    [-0.5, 0.5, 0.2],
    [0.3, 0.3, 0.5],
  ],
};

const sigmoid = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** The cell over a sequence of inputs, from a state of zeros. */
export function run(/** @type {Variant} */ variant, /** @type {Weights} */ weights, /** @type {number[][]} */ inputs) {
  /** @type {State} */
  let before = { h: 0, c: 0, i: 0, f: 0, g: 0, o: 0 };
  return inputs.map((x) => {
    before = step(variant, weights, x, before);
    return before;
  });
}

/** @returns {State} */
function step(/** @type {Variant} */ variant, /** @type {Weights} */ weights, /** @type {number[]} */ x, /** @type {State} */ before) {
  const sum = (/** @type {string} */ block) => x.reduce((total, value, place) => total + weights.input[block][place] * value, weights.bias[block] + weights.hidden[block] * before.h);
  const gate = (/** @type {"i" | "f" | "o"} */ name, /** @type {number} */ c) => {
    if (variant === `n${name}g`) return 1;
    const seen = variant === "np" ? 0 : weights.peephole[name] * c;
    const row = weights.gates["ifo".indexOf(name)];
    const others = variant === "fgr" ? row[0] * before.i + row[1] * before.f + row[2] * before.o : 0;
    return sigmoid(sum(name) + seen + others);
  };
  const i = gate("i", before.c);
  const f = variant === "cifg" ? 1 - i : gate("f", before.c);
  const g = variant === "niaf" ? sum("g") : Math.tanh(sum("g"));
  const c = f * before.c + i * g;
  const o = gate("o", c);
  return { h: o * (variant === "noaf" ? c : Math.tanh(c)), c, i, f, g, o };
}

/** The equations of a variant, in the notation of `mathematics`. */
export function equations(/** @type {Variant} */ variant) {
  const sees = (/** @type {string} */ name, /** @type {string} */ c) => (variant === "np" ? "" : ` + p_${name} * ${c}`);
  const recurs = (/** @type {string} */ name) => (variant === "fgr" ? ` + R_${name}i i' + R_${name}f f' + R_${name}o o'` : "");
  const gate = (/** @type {string} */ name, /** @type {string} */ c) => (variant === `n${name}g` ? `${name} = 1` : `${name} = σ ( W_i${name} x + W_h${name} h' + b_${name}${sees(name, c)}${recurs(name)} )`);
  const candidate = "W_ig x + W_hg h' + b_g";
  return {
    i: gate("i", "c'"),
    f: variant === "cifg" ? "f = 1 − i" : gate("f", "c'"),
    g: variant === "niaf" ? `g = ${candidate}` : `g = tanh ( ${candidate} )`,
    c: "c = f * c' + i * g",
    o: gate("o", "c"),
    h: variant === "noaf" ? "h = o * c" : "h = o * tanh ( c )",
  };
}
