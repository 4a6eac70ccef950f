/** The threshold below which a sentence is outside what the model knows, and what another one would cost. */

import { slider } from "../../shell/controls.js";
import { drawing, element } from "../../shell/element.js";
import { figure } from "../inside/figure.js";

const WIDE = 440;
const HIGH = 200;
const EDGE = 34;

/** @typedef {{threshold: number, accuracy: number, recall: number}} Point */

/**
 * The figure: `use` takes a model's card, `value` is the threshold that is set, and `mark` shows a sentence's confidence.
 *
 * @param {() => void} onchange
 */
export function thresholdFigure(onchange) {
  /** @type {Point[]} */
  let points = [];
  let confidence = 0;
  let queries = [0, 0];
  const chart = drawing("svg", { class: "threshold", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
  const told = element("p", { role: "status" });
  const control = slider({ label: "Threshold", min: 0, max: 1, step: 0.01, onchange: () => {
    draw();
    onchange();
  } });
  const made = figure({
    title: "When to say “I don't know”",
    says: "A sentence whose likeliest intent is less probable than the threshold counts as outside. Raise it, and more strangers are turned away, but more good requests too.",
    code: { file: "training/tasks/intents/score.py", line: "kept = best.values >= threshold" },
    table: () => ({ head: ["threshold", "in-scope accuracy", "out-of-scope recall"], rows: points.map((point) => [point.threshold.toFixed(2), percent1(point.accuracy), percent1(point.recall)]) }),
    body: [chart, told, element("div", { class: "controls" }, control.node)],
  });

  const x = (/** @type {number} */ value) => EDGE + (WIDE - 2 * EDGE) * value;
  const y = (/** @type {number} */ value) => 12 + (HIGH - EDGE - 12) * (1 - value);

  function draw() {
    const line = (/** @type {"accuracy" | "recall"} */ name) => drawing("polyline", { class: name, points: points.map((point) => `${x(point.threshold)},${y(point[name]).toFixed(1)}`).join(" ") });
    const grid = [0, 0.5, 1].flatMap((value) => [
      drawing("line", { class: "grid", x1: x(0), x2: x(1), y1: y(value), y2: y(value) }),
      drawing("text", { x: x(0) - 6, y: y(value) + 4, "text-anchor": "end" }, `${100 * value}`),
      drawing("text", { x: x(value), y: HIGH - 12, "text-anchor": "middle" }, value.toFixed(1)),
    ]);
    chart.replaceChildren(
      ...grid,
      ...(points.length ? [line("accuracy"), line("recall")] : []),
      drawing("line", { class: "here", x1: x(confidence), x2: x(confidence), y1: y(0), y2: y(0) - 10 }),
      drawing("line", { class: "set", x1: x(control.value), x2: x(control.value), y1: y(0), y2: y(1) }),
    );
    const now = at(points, control.value);
    told.replaceChildren(
      ...(now
        ? [element("span", { class: "key accuracy" }, `${percent1(now.accuracy)} of requests are told their intent`), element("span", { class: "key recall" }, `${percent1(now.recall)} of strangers are turned away`), element("span", { class: "hint" }, `on ${queries[0].toLocaleString("en")} and ${queries[1]} sentences of dev, between the thresholds that were measured`)]
        : ["This model's thresholds have not been measured: recap-train evaluate tells them."]),
    );
    chart.setAttribute("aria-label", `In-scope accuracy and out-of-scope recall against the threshold. ${told.textContent}`);
  }

  control.value = 0.5;
  draw();
  return {
    node: made.node,
    get value() {
      return control.value;
    },
    use(/** @type {import("../../shell/models.js").Card} */ card) {
      const measured = card.metrics.dev ?? {};
      points = measured.operating_points ?? [];
      queries = [measured.queries, measured.out_of_scope_queries];
      control.value = Math.round(100 * card.threshold) / 100;
      draw();
      made.update();
    },
    mark(/** @type {number} */ value) {
      confidence = value;
      draw();
    },
  };
}

/** What lies between the two points around a threshold. */
function at(/** @type {Point[]} */ points, /** @type {number} */ threshold) {
  const above = points.findIndex((point) => point.threshold >= threshold);
  if (above < 0) return null;
  const [low, high] = [points[Math.max(0, above - 1)], points[above]];
  const share = high.threshold > low.threshold ? (threshold - low.threshold) / (high.threshold - low.threshold) : 1;
  const between = (/** @type {"accuracy" | "recall"} */ name) => low[name] + share * (high[name] - low[name]);
  return { threshold, accuracy: between("accuracy"), recall: between("recall") };
}

function percent1(/** @type {number} */ share) {
  return `${(100 * share).toFixed(1)} %`;
}
