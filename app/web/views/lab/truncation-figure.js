/** Truncated backpropagation: two brackets over a sequence, k1 for what is scored and k2 for how far it goes back. */

import { slider } from "../../shell/controls.js";
import { drawing, element } from "../../shell/element.js";
import { figure } from "../inside/figure.js";
import { windows } from "./truncation.js";

const LENGTH = 24;
const STEP = 36;

/** Makes the figure. */
export function truncationFigure() {
  /** @type {import("./truncation.js").Window[]} */
  let found = [];
  const chart = drawing("svg", { class: "brackets", viewBox: `0 0 ${STEP * LENGTH} 140`, role: "img" });
  const told = element("p", { role: "status" });
  const k1 = slider({ label: "k1: steps between two gradients", min: 1, max: LENGTH, step: 1, onchange: () => plan() });
  const k2 = slider({ label: "k2: steps that each goes back", min: 1, max: LENGTH, step: 1, onchange: () => plan() });
  const chunk = slider({ label: "Gradient", min: 1, max: 1, step: 1, onchange: () => draw() });
  k1.value = 4;
  k2.value = 10;

  const made = figure({
    title: "Where truncated backpropagation cuts",
    says: "Every k1 steps, the losses since the last time are differentiated, and each gradient goes back through k2 steps. What lies further back still acts through the state, but the weights are no longer told of it.",
    code: { file: "training/tasks/text/bptt.py", line: "start = max(0, end - k2)" },
    table: () => ({
      head: ["gradient", "losses of steps", "back to step", "losses without a way"],
      rows: found.map(({ begin, end, start, scored }, place) => [place + 1, `${scored + 1} to ${end}`, start + 1, scored - begin]),
    }),
    body: [element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "The sequence" }, chart), told, element("div", { class: "controls three" }, k1.node, k2.node, chunk.node)],
  });

  function plan() {
    found = windows(LENGTH, k1.value, k2.value);
    chunk.input.max = String(found.length);
    chunk.value = Math.min(chunk.value, found.length);
    draw();
    made.update();
  }

  function draw() {
    const { begin, end, start, scored } = found[chunk.value - 1];
    const x = (/** @type {number} */ step) => STEP * (step + 0.5);
    const parts = [bracket("k1", x(scored) - 14, x(end - 1) + 14, 36, -1), bracket("k2", x(start) - 14, x(end - 1) + 14, 100, 1)];
    for (let step = 0; step < LENGTH; step++) {
      const state = step >= end ? "ahead" : step >= start ? "lit" : "passed";
      if (step) parts.push(drawing("line", { class: "forth", x1: x(step - 1) + 12, x2: x(step) - 12, y1: 68, y2: 68 }));
      parts.push(drawing("circle", { class: `unit ${state}${step >= scored && step < end ? " scored" : ""}`, cx: x(step), cy: 68, r: 12 }), drawing("text", { class: state, x: x(step), y: 72.5, "text-anchor": "middle" }, String(step + 1)));
    }
    chart.replaceChildren(...parts);
    const lost = scored - begin;
    told.textContent = `Gradient ${chunk.value} of ${found.length}: the losses of steps ${scored + 1} to ${end}, back to step ${start + 1}.${lost ? ` The first ${lost} of its steps only carry the state on: nothing they say can be reached.` : ""}`;
    chart.setAttribute("aria-label", told.textContent);
  }

  plan();
  chunk.value = 4;
  draw();
  return made.node;
}

/** A bracket with its name, open towards the steps. */
function bracket(/** @type {string} */ name, /** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ y, /** @type {1 | -1} */ way) {
  return drawing(
    "g",
    { class: `bracket ${name}` },
    drawing("path", { d: `M${from} ${y}v${8 * way}H${to}v${-8 * way}` }),
    drawing("text", { x: (from + to) / 2, y: y + (way > 0 ? 30 : -16), "text-anchor": "middle" }, name),
  );
}
