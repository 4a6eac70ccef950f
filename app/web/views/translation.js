/** Translation: a text in another language, where the network looked for each word, and what else it could be. */

import { loadStyles } from "../shell/styles.js";
import { SEQUENCES } from "./groups.js";

/** @type {import("../shell/view.js").View} */
export default {
  title: "Translate",
  hash: "translate",
  icon: "m3 5h9M7.500 3v2M10.500 5c-1 4-4 7-7 8.500M5.500 9c1 2 3 4 5.500 5M12 21l4.500-11L21 21M13.500 17.500h6",
  says: "From one language into another",
  task: "translation",
  group: SEQUENCES,

  async mount({ section }) {
    const [{ mountTranslation }] = await Promise.all([import("./translation/page.js"), loadStyles("views/translation/translation.css")]);
    return mountTranslation(section);
  },

  about: ({ source, target, cell, hidden_size }) => ({
    facts: [
      ["Languages", `${source} to ${target}`],
      ["Cells", `${hidden_size} ${cell}`],
    ],
    sample: [],
  }),
};
