/** The forecaster beside others, on the days that it was tested on: how good each is, and whether the difference is chance. */

import { segments } from "../../shell/controls.js";
import { element } from "../../shell/element.js";

const CHANCE = 0.05; // p from which a difference may well be chance

/** @type {Record<string, [name: string, better: "less" | "more"]>} */
const MEASURES = {
  log_variance_rmse: ["volatility: error of its logarithm", "less"],
  qlike: ["volatility: QLIKE", "less"],
  log_likelihood: ["next day: log-likelihood", "more"],
  price_mae: ["price: mean error of the close", "less"],
};

/** @typedef {{model: string, value: number, p: number | null}} Rival */

/**
 * The forecasts of a series by a measure, from a checkpoint's metrics, whose keys are `SERIES MEASURE MODEL` and, of
 * Diebold and Mariano's test against the checkpoint, `SERIES MEASURE MODEL p`.
 *
 * @param {Record<string, any>} metrics
 * @param {string} series
 * @param {string} measure
 * @returns {Rival[]}
 */
export function rivals(metrics, series, measure) {
  const start = `${series} ${measure} `;
  const keys = Object.keys(metrics).filter((key) => key.startsWith(start) && !key.endsWith(" p"));
  return keys.map((key) => ({ model: key.slice(start.length), value: metrics[key], p: metrics[`${key} p`] ?? null }));
}

/** A panel; `show` fills it from a model's card. */
export function rivalPanel() {
  const body = element("div", { class: "rivals" });
  const node = element(
    "section",
    { class: "panel", "aria-labelledby": "rivals-title", hidden: true },
    element("h2", { id: "rivals-title" }, "Beside other forecasts"),
    element("p", { class: "says" }, "Each was fitted to the same years and tested on later ones. p is the chance of such a difference where there is none, by Diebold and Mariano: of the price itself, no difference is more than chance."),
    body,
  );
  return {
    node,
    show(/** @type {import("../../shell/models.js").Card} */ card) {
      const metrics = card.metrics.test ?? card.metrics.dev ?? {};
      const series = [...new Set(Object.keys(metrics).filter((key) => key.endsWith(" p")).map((key) => key.split(" ")[0]))];
      node.hidden = series.length === 0;
      if (!series.length) return;
      const tables = element("div", { class: "rival-tables" });
      const draw = (/** @type {string} */ chosen) => tables.replaceChildren(...Object.keys(MEASURES).map((measure) => table(measure, rivals(metrics, chosen, measure))));
      const choice = segments({ label: "Series", options: series.map((name) => [name, name]), onchange: draw });
      choice.value = series[0];
      body.replaceChildren(choice.node, tables);
      draw(series[0]);
    },
  };
}

function table(/** @type {string} */ measure, /** @type {Rival[]} */ found) {
  const [name, better] = MEASURES[measure];
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": name },
    element(
      "table",
      {},
      element("caption", {}, `${name}; ${better} is better`),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "forecast"), element("th", { scope: "col" }, "value"), element("th", { scope: "col" }, "p"))),
      element(
        "tbody",
        {},
        ...found.map(({ model, value, p }) =>
          element("tr", { class: p === null && "ours" }, element("th", { scope: "row" }, model), element("td", { class: "number" }, value.toFixed(value > 10 ? 2 : 4)), element("td", { class: "number" }, p === null ? "" : p < 0.001 ? "< 0.001" : p.toFixed(3), p !== null && p >= CHANCE && element("small", {}, " may be chance"))),
        ),
      ),
    ),
  );
}
