/** The models that are served: what each is, its figures, and its card. */

import { element } from "../../shell/element.js";
import { modelChoice, models, preferred } from "../../shell/models.js";
import { attempt } from "../../shell/trouble.js";
import { VIEWS } from "../index.js";
import { markdown } from "../inside/markdown.js";

/** @typedef {import("../../shell/models.js").Card} Card */
/** @typedef {import("../../shell/models.js").Figure} Figure */

/** Fills the view, and returns what shows a model by its name; if the list can't be had, that is shown in its place. */
export async function mountModels(/** @type {HTMLElement} */ view) {
  const facts = element("div", { class: "facts" });
  const model = modelChoice(show);

  const { failed, run } = attempt(async () => {
    await models.load();
    model.offer(models.all);
    const [first] = VIEWS.flatMap(({ task }) => preferred(models.of(task)) ?? []);
    show(first ?? models.all[0]);
  });

  function show(/** @type {Card} */ card) {
    const { facts: rows, sample } = VIEWS.find(({ task }) => task === card.task)?.about?.(card) ?? { facts: [], sample: [] };
    const weights = element("code", { title: card.sha256 }, card.sha256.slice(0, 16));
    model.value = card.id;
    facts.replaceChildren(
      ...figures(card.metrics.figures ?? [], sample),
      element("dl", { class: "parts-of" }, ...[...rows, ["Weights", weights]].flatMap(([term, detail]) => [element("dt", {}, term), element("dd", {}, detail)])),
      element("article", { class: "card-text" }, ...markdown(card.card || "This model has no card.")),
    );
  }

  view.append(
    element(
      "div",
      { class: "inside" },
      element("h1", {}, "What they are, and how good"),
      element("section", { class: "panel about-model", "aria-label": "The model" }, model.node, failed, facts),
    ),
  );
  await run();
  return (/** @type {string} */ name) => {
    const card = models.all.find(({ id }) => id === name);
    if (card) show(card);
  };
}

/** A model's figures, and what they were measured on; if the splits differ, each figure names its own. */
function figures(/** @type {Figure[]} */ measured, /** @type {string[]} */ sample) {
  const splits = [...new Set(measured.map(({ split }) => split))];
  const shared = splits.length === 1 ? [`on ${splits[0]}`] : [];
  const list = measured.map(({ label, value, split, higher_is_better }) =>
    element(
      "div",
      { title: `${higher_is_better ? "Higher" : "Lower"} is better` },
      element("dt", {}, splits.length > 1 ? `${label}, ${split}` : label),
      element("dd", {}, value.toFixed(3)),
    ),
  );
  return [
    list.length ? element("dl", { class: "figures" }, ...list) : element("p", { class: "hint" }, "This model has no figures."),
    element("p", { class: "hint" }, [...shared, ...sample].join(", ")),
  ];
}
