/** The server's models, and the control that chooses one. */

import { ask } from "./api.js";
import { choice } from "./controls.js";
import { element } from "./element.js";
import { Emitter } from "./emitter.js";

/**
 * A figure of merit, as in a checkpoint's metrics.json.
 *
 * @typedef {{name: string, label: string, value: number, split: string, higher_is_better: boolean}} Figure
 */

/**
 * A model, as `/v1/models` describes it; what its task adds stands beside these.
 *
 * @typedef {{id: string, task: string, default: boolean, sha256: string, card: string,
 *   metrics: {figures?: Figure[], [name: string]: any}, [name: string]: any}} Card
 */

/**
 * The list of models. Emits `loaded` when it has come.
 *
 * @extends {Emitter<{loaded: void}>}
 */
class Models extends Emitter {
  /** @type {Card[]} */
  all = [];
  /** @type {Promise<void> | null} */
  #loading = null;

  /** Fetches the list once; again if that failed. */
  load() {
    this.#loading ??= ask("v1/models").then(
      ({ data }) => {
        this.all = data;
        this.emit("loaded");
      },
      (error) => {
        this.#loading = null;
        throw error;
      },
    );
    return this.#loading;
  }

  /** Those of a task, by its name in `/v1/models`. */
  of(/** @type {string | undefined} */ task) {
    return this.all.filter((card) => card.task === task);
  }
}

export const models = new Models();

/** The server's default among some models, else the first; null where there are none. */
export function preferred(/** @type {Card[]} */ cards) {
  return cards.find((card) => card.default) ?? cards[0] ?? null;
}

/**
 * A control that chooses a model: `offer` the models, then set its `value` to the id of one.
 *
 * @param {(card: Card) => void} onchange
 */
export function modelChoice(onchange) {
  /** @type {Card[]} */
  let offered = [];
  const control = choice({ label: "Model", options: [], onchange: (id) => onchange(offered[offered.findIndex((card) => card.id === id)]) });
  return Object.assign(control, {
    offer(/** @type {Card[]} */ cards) {
      if (cards.length === offered.length && cards.every((card, place) => card === offered[place])) return;
      offered = cards;
      control.input.replaceChildren(...cards.map(({ id }) => element("option", { value: id }, id)));
    },
  });
}
