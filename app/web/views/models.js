/** Models: each one's figures and card. */

import { INSIDE } from "./groups.js";

/** @type {import("../shell/view.js").View} */
export default {
  title: "Models",
  hash: "models",
  icon: "sheet",
  group: INSIDE,

  async mount({ section }) {
    const { mountModels } = await import("./models/list.js");
    return mountModels(section);
  },
};
