/** The chart: closes, the fan of intervals, and what came. */

import { drawing } from "../../shell/element.js";

const WIDTH = 900;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 34;

/** @typedef {{step: number, date?: string, close: {mean: number, intervals: Record<string, [number, number]>}, volatility: number}} Step */
/** @typedef {import("./prices.js").Day} Day */

/**
 * Draws the chart.
 *
 * @param {Day[]} past Up to today, at least one.
 * @param {Step[]} steps
 * @param {Day[]} came The days ahead that are revealed.
 */
export function fan(past, steps, came) {
  const levels = Object.keys(steps[0].close.intervals).sort((one, other) => Number(other) - Number(one));
  const ends = steps.flatMap((step) => step.close.intervals[levels[0]]);
  const values = [...past, ...came].map((day) => day.close).concat(ends);
  const margin = 0.05 * (Math.max(...values) - Math.min(...values));
  const [low, high] = [Math.min(...values) - margin, Math.max(...values) + margin];
  const today = past.length - 1;
  const last = today + steps.length;
  const x = (/** @type {number} */ day) => LEFT + ((WIDTH - LEFT - RIGHT) * day) / last;
  const y = (/** @type {number} */ value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low);
  const points = (/** @type {[number, number][]} */ found) => found.map(([day, value]) => `${x(day).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const now = past[today].close;
  const text = (/** @type {number} */ across, /** @type {number} */ down, /** @type {string} */ words, /** @type {string} */ anchor) =>
    drawing("text", { x: across, y: down, "text-anchor": anchor }, words);

  /** @type {SVGElement[]} */
  const parts = [0.1, 0.3, 0.5, 0.7, 0.9].flatMap((share) => {
    const value = low + (high - low) * share;
    const shown = value.toLocaleString("en", { maximumFractionDigits: high < 1000 ? 2 : 0 });
    return [drawing("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }), text(LEFT - 8, y(value) + 4, shown, "end")];
  });
  for (const level of levels) {
    const side = (/** @type {0 | 1} */ end) => steps.map((step) => /** @type {[number, number]} */ ([today + step.step, step.close.intervals[level][end]]));
    parts.push(drawing("polygon", { class: "interval", "data-level": level, points: points([[today, now], ...side(1), ...side(0).reverse()]) }));
  }
  parts.push(
    drawing("polyline", { class: "guess", points: points([[today, now], ...steps.map((step) => /** @type {[number, number]} */ ([today + step.step, step.close.mean]))]) }),
    drawing("polyline", { class: "past", points: points(past.map((day, place) => [place, day.close])) }),
    drawing("line", { class: "today", x1: x(today), x2: x(today), y1: TOP, y2: HEIGHT - BOTTOM }),
    text(LEFT, HEIGHT - 10, past[0].date ?? "", "start"),
    text(x(today), HEIGHT - 10, past[today].date ?? "today", "middle"),
  );
  const path = came.map((day, place) => /** @type {[number, number]} */ ([today + 1 + place, day.close]));
  if (path.length) parts.push(drawing("polyline", { class: "came", points: points([[today, now], ...path]) }));
  for (const [day, value] of path) parts.push(drawing("circle", { class: "came", cx: x(day), cy: y(value), r: 4 }));
  return drawing("svg", { class: "fan", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": spoken(past, steps, levels, came) }, ...parts);
}

/** The chart in a sentence. */
function spoken(/** @type {Day[]} */ past, /** @type {Step[]} */ steps, /** @type {string[]} */ levels, /** @type {Day[]} */ came) {
  const final = steps[steps.length - 1];
  const spans = levels.map((level) => `with ${level} % between ${final.close.intervals[level].map((end) => end.toFixed(2)).join(" and ")}`);
  const revealed = came.length ? `; after ${came.length} days it came to ${came[came.length - 1].close}` : "";
  return `From ${past[past.length - 1].close}, ${steps.length} days ahead: ${spans.join(", ")}${revealed}`;
}
