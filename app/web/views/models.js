/** Models: each one's figures and card. */

import { INSIDE } from "./groups.js";

let go = (/** @type {string} */ _place) => {};

/** @type {import("../shell/view.js").View} */
export default {
  title: "Models",
  hash: "models",
  icon: "sheet",
  says: "Each model's figures and card",
  group: INSIDE,

  async mount({ section }) {
    const { mountModels } = await import("./models/list.js");
    go = await mountModels(section);
  },

  /** Shows the model of the address. */
  arrive: (place) => go(place),
};
