/** Translation: a text in another language, with how sure the model is, and the words that it has never read. */

import { ask, json } from "../shell/api.js";
import { button, element } from "../shell/element.js";
import { modelChoice, models, preferred } from "../shell/models.js";
import { percent } from "../shell/percent.js";
import { attempt } from "../shell/trouble.js";

const TASK = "translation";

/** @type {import("../shell/view.js").View} */
export default {
  title: "Translate",
  hash: "translate",
  icon: "m3 5h9M7.500 3v2M10.500 5c-1 4-4 7-7 8.500M5.500 9c1 2 3 4 5.500 5M12 21l4.500-11L21 21M13.500 17.500h6",
  says: "From one language into another",
  task: TASK,

  mount({ section }) {
    /** @type {import("../shell/models.js").Card | null} */
    let model = null;
    const text = element("textarea", { id: "translation-text", rows: 4 });
    const said = element("div", { id: "translation-said", role: "status" });
    const chosen = modelChoice((card) => {
      model = card;
    });

    async function load() {
      await models.load();
      const cards = models.of(TASK);
      chosen.offer(cards);
      model ??= preferred(cards);
      if (model) chosen.value = model.id;
    }

    const { failed, run } = attempt(async () => {
      said.replaceChildren(); // which was about another text
      await load();
      const { results } = await ask("v1/translations", json({ text: text.value, model: model?.id, num_translations: 3 }));
      const [{ translations, unknown }] = results;
      said.replaceChildren(
        ...translations.map((/** @type {{text: string, confidence: number}} */ found, /** @type {number} */ place) =>
          element("p", { class: place ? "other" : "best" }, found.text, " ", element("small", {}, percent(found.confidence))),
        ),
        unknown.length ? element("p", { class: "unknown" }, `Never read before: ${unknown.join(", ")}`) : "",
      );
    });
    load().catch(() => {}); // told when the button is pressed
    section.append(
      element("h1", {}, "Say it in another language"),
      element("label", { for: "translation-text", class: "hidden" }, "Text"),
      text,
      element("p", { class: "actions" }, button("Translate", "again", run, "primary"), chosen.node),
      failed,
      said,
    );
  },

  about: ({ source, target, cell, hidden_size }) => ({
    facts: [
      ["Languages", `${source} to ${target}`],
      ["Cells", `${hidden_size} ${cell}`],
    ],
    sample: [],
  }),
};
