/** How captions are asked for: the model, and the parameters of its search. */

import { Emitter } from "../../shell/emitter.js";
import { models, preferred } from "../../shell/models.js";

/** What `/v1/models` calls the task of these models. */
export const TASK = "image-to-text";

/** Captions that the page asks for where the method gives several. */
const CAPTIONS = 3;

/** The parameters that mean something to each method. */
/** @type {Record<string, string[]>} */
const USED = {
  greedy: [],
  beam: ["beam_size", "num_captions", "diversity"],
  sample: ["num_captions", "temperature", "top_k", "top_p", "seed"],
};
const SHARED = ["min_length", "max_length", "length_penalty", "block_ngram", "prefix", "neutral"];

/**
 * Emits `changed` when what is asked for has changed.
 *
 * @extends {Emitter<{changed: void}>}
 */
class Decoding extends Emitter {
  /** @type {import("../../shell/models.js").Card | null} of the captioner that is asked */
  card = null;
  /** @type {Record<string, any>} */
  values = {};

  constructor() {
    super();
    models.on("loaded", () => this.use(preferred(this.captioners)));
  }

  get captioners() {
    return models.of(TASK);
  }

  /** Asks this model, by its own defaults. */
  use(/** @type {import("../../shell/models.js").Card | null} */ card) {
    this.card = card;
    this.reset();
  }

  /** The model's own defaults, but for several captions. */
  reset() {
    const defaults = this.card?.decoding ?? {};
    this.values = { ...defaults, num_captions: CAPTIONS, seed: defaults.seed ?? draw() };
    this.emit("changed");
  }

  set(/** @type {Record<string, unknown>} */ values) {
    Object.assign(this.values, values);
    this.emit("changed");
  }

  /** Samples others. */
  shuffle() {
    this.set({ seed: draw() });
  }

  /** What a request has to say: all that is not the model's default. */
  get parameters() {
    const { method } = this.values;
    const defaults = this.card?.decoding ?? {};
    const parameters = new URLSearchParams();
    if (this.card && !this.card.default) parameters.set("model", this.card.id);
    if (method !== defaults.method) parameters.set("method", method);
    for (const name of [...(USED[method] ?? []), ...SHARED]) {
      let value = this.values[name];
      if (name === "num_captions" && method === "beam") value = Math.min(value, this.values.beam_size);
      if (value !== undefined && value !== null && value !== defaults[name]) parameters.set(name, value);
    }
    return parameters;
  }
}

function draw() {
  return Math.floor(Math.random() * 2 ** 31);
}

export const decoding = new Decoding();
