/** The reliability diagram: of captions with some confidence, how many were good. */

import { drawing, element } from "../../shell/element.js";
import { percent } from "../../shell/percent.js";

/**
 * A checkpoint's calibration, as its metrics.json has it: what each least confidence keeps of the captions, and how many of
 * these are good.
 *
 * @typedef {{threshold: number, error: number, selection: {least: number, kept: number, good: number}[]}} Calibration
 */
/** @typedef {{low: number, high: number, share: number, good: number}} Group Captions between two confidences. */

const WIDTH = 320;
const HEIGHT = 200;
const LEFT = 34;
const FOOT = 18;

/** The captions between one least confidence and the next: what one keeps and the other does not. */
/** @returns {Group[]} */
export function groups(/** @type {Calibration["selection"]} */ selection) {
  return selection.flatMap(({ least, kept, good }, place) => {
    const next = selection[place + 1] ?? { least: 1, kept: 0, good: 0 };
    const share = kept - next.kept;
    return share > 0 ? [{ low: least, high: next.least, share, good: (kept * good - next.kept * next.good) / share }] : [];
  });
}

/** Draws the diagram of a model, with its figures as a table, and says where they come from. */
export function reliability(/** @type {import("../../shell/models.js").Card | null} */ card) {
  /** @type {Calibration | undefined} */
  const calibration = card?.metrics.calibration;
  if (!card || !calibration) return element("p", {}, `${card?.id ?? "This model"} has no calibration: its percentages are the geometric mean of its words' probabilities, and say only which caption is likelier than another.`);
  const found = groups(calibration.selection);
  const x = (/** @type {number} */ share) => LEFT + share * (WIDTH - LEFT);
  const y = (/** @type {number} */ share) => (1 - share) * HEIGHT;
  const bars = found.map(({ low, high, good }) => drawing("rect", { class: "group", x: x(low) + 1, y: y(good), width: x(high) - x(low) - 2, height: HEIGHT - y(good), rx: 2 }));
  const ticks = [0, 0.2, 0.5, 1].flatMap((share) => [
    drawing("text", { x: x(share), y: HEIGHT + FOOT - 3, "text-anchor": share === 1 ? "end" : share ? "middle" : "start" }, percent(share)),
    ...(share ? [drawing("text", { x: LEFT - 5, y: y(share) + (share === 1 ? 10 : 4), "text-anchor": "end" }, percent(share)), drawing("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(share), y2: y(share) })] : []),
  ]);
  const told = `Share of good captions by confidence: ${found.map(({ low, high, good }) => `${percent(low)} to ${percent(high)}, ${percent(good)}`).join("; ")}.`;
  return element(
    "figure",
    { class: "reliability" },
    drawing("svg", { class: "diagram", role: "img", viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, "aria-label": told }, ...ticks, ...bars, drawing("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) })),
    element("figcaption", {}, `Across, the confidence that ${card.id} told; upwards, the share of those captions that were good. Were it exact, each bar would end on the line. From metrics.json of ${card.id}: captions of dev pictures, each with a confidence that was fitted on other ones; good from a CIDEr of ${calibration.threshold.toFixed(3)} on. Expected calibration error ${calibration.error.toFixed(3)}.`),
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...["confidence", "of all captions", "good"].map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, ...found.map(({ low, high, share, good }) => element("tr", {}, element("td", { class: "number" }, `${percent(low)} to ${percent(high)}`), element("td", { class: "number" }, percent(share)), element("td", { class: "number" }, percent(good))))),
    ),
  );
}
