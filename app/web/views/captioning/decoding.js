/** The model that captions are asked from, and the parameters of its decoding. */

import { Emitter } from "../../shell/emitter.js";
import { models, preferred } from "../../shell/models.js";

/** The name of the task in `/v1/models`. */
export const TASK = "image-to-text";

/** The number of captions asked for, if the method can give several. */
const CAPTIONS = 3;

/** The parameters that apply to each method. */
/** @type {Record<string, string[]>} */
const USED = {
  greedy: [],
  beam: ["beam_size", "num_captions", "diversity"],
  sample: ["num_captions", "temperature", "top_k", "top_p", "seed"],
};
const SHARED = ["min_length", "max_length", "length_penalty", "block_ngram", "prefix", "neutral"];

/**
 * The choice of a model and its parameters. Emits `changed` when they change.
 *
 * @extends {Emitter<{changed: void}>}
 */
export class Decoding extends Emitter {
  /** @type {import("../../shell/models.js").Card | null} of the captioner that is asked */
  card = null;
  /** @type {Record<string, any>} */
  values = {};
  /** @type {{model: string, values: Record<string, any>} | null} */
  #recalled = null; // of another visit, until the models are known

  constructor() {
    super();
    models.on("loaded", () => {
      const recalled = this.#recalled;
      this.use(preferred(this.captioners));
      if (recalled) this.recall(recalled);
    });
  }

  /** Takes a model and parameters of another visit, if the server still has that model. */
  recall(/** @type {{model: string, values: Record<string, any>}} */ recalled) {
    this.#recalled = this.card ? null : recalled;
    const card = this.captioners.find(({ id }) => id === recalled.model);
    if (!card) return;
    this.use(card);
    this.set(recalled.values);
  }

  get captioners() {
    return models.of(TASK);
  }

  /** Takes this model, with its own defaults. */
  use(/** @type {import("../../shell/models.js").Card | null} */ card) {
    this.card = card;
    this.reset();
  }

  /** Takes the model's own defaults, except that several captions are asked for. */
  reset() {
    const defaults = this.card?.decoding ?? {};
    this.values = { ...defaults, num_captions: CAPTIONS, seed: defaults.seed ?? draw() };
    this.emit("changed");
  }

  set(/** @type {Record<string, unknown>} */ values) {
    Object.assign(this.values, values);
    this.emit("changed");
  }

  /** Draws a new seed. */
  shuffle() {
    this.set({ seed: draw() });
  }

  /** The request's parameters: those that differ from the model's defaults. */
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
