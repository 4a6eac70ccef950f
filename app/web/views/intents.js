/** Intents: what a sentence asks for, how that came about word by word, and all that it could have been. */

import { percent } from "../shell/percent.js";
import { loadStyles } from "../shell/styles.js";
import { SEQUENCES } from "./groups.js";

/** @type {import("../shell/view.js").View} */
export default {
  title: "Understand",
  hash: "understand",
  icon: "M4 5h16v11H9l-5 4z",
  says: "What a sentence asks for",
  task: "text-classification",
  group: SEQUENCES,

  async mount({ section }) {
    const [{ mountIntents }] = await Promise.all([import("./intents/page.js"), loadStyles("views/intents/intents.css")]);
    return mountIntents(section);
  },

  about: ({ cell, num_layers, hidden_size, threshold }) => ({
    facts: [
      ["Cells", `${num_layers} × ${hidden_size} ${cell}, in both directions`],
      ["In scope from", percent(threshold)],
    ],
    sample: [],
  }),
};
