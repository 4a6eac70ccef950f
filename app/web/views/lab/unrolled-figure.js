/** Unrolled: a chain of cells over time, and the gradient that goes back through them. */

import { segments, slider } from "../../shell/controls.js";
import { button, drawing, element } from "../../shell/element.js";
import { figure } from "../inside/figure.js";
import { source, uniform } from "./random.js";
import { BLOCKS, gradientNorms } from "./unrolled.js";

const LENGTH = 24;
const SIZE = 16;
const STEP = 40;
const WIDE = STEP * LENGTH;
const DECADES = 8; // of the plot
const PLOT = 160;
const TOP = 22;
const WIDEST = 26; // of the arrows

/** @type {Record<string, string>} */
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** @typedef {import("./unrolled.js").Kind} Kind */

/** Makes the figure. */
export function unrolledFigure() {
  let seed = 3;
  /** @type {number[]} */
  let norms = [];
  /** @type {number[] | undefined} */
  let kept; // those of c
  const chain = drawing("svg", { class: "chain", viewBox: `0 0 ${WIDE} 122`, role: "img" });
  const plot = drawing("svg", { class: "norms", viewBox: `0 0 ${WIDE} ${PLOT + 24}`, role: "img", "aria-label": "The norms on a logarithmic axis; the table has them" });
  const told = element("p", { role: "status" });
  const kind = segments({ label: "Cell", options: [["rnn", "RNN"], ["lstm", "LSTM"], ["gru", "GRU"]], onchange: () => draw() });
  const bias = slider({ label: "Forget-gate bias", min: -2, max: 6, step: 0.25, hint: "LSTM: the greater, the longer it keeps.", onchange: () => draw() });
  const scale = slider({ label: "Recurrent weights", min: 0.5, max: 5, step: 0.1, hint: "Times what torch begins with.", onchange: () => draw() });
  kind.value = "lstm";
  bias.value = 1;
  scale.value = 1;

  const made = figure({
    title: "How far back a gradient reaches",
    says: "The loss is at the last step; each arrow back is as wide as the norm of the gradient that arrives there, the widest at full width. It is multiplied at every step, so that it vanishes, or explodes, unless a gate lets it through.",
    code: { file: "model/recurrent.py", line: "state = cell.pointwise(inputs_t, torch.addmm(bias_t, recurrent, turned), state)" },
    table: () => ({
      head: ["steps back", "|dL/dh|", ...(kept ? ["|dL/dc|"] : [])],
      rows: norms.map((norm, distance) => [String(distance), norm.toExponential(3), ...(kept ? [kept[distance].toExponential(3)] : [])]),
    }),
    body: [
      element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "The chain" }, chain, plot),
      told,
      element("div", { class: "controls three" }, kind.node, bias.node, scale.node, element("p", { class: "actions" }, button("Other weights", "again", () => {
        seed += 1;
        draw();
      }))),
    ],
  });

  function draw() {
    const chosen = /** @type {Kind} */ (kind.value);
    const random = source(seed);
    const rows = BLOCKS[chosen] * SIZE;
    const some = (/** @type {number} */ count) => uniform(random, count, SIZE ** -0.5);
    const weights = { weight_ih: some(2 * rows), weight_hh: some(SIZE * rows).map((weight) => weight * scale.value), bias_ih: some(rows), bias_hh: some(rows), output_weight: some(SIZE), output_bias: some(1) };
    if (chosen === "lstm") for (let row = SIZE; row < 2 * SIZE; row++) weights.bias_ih[row] += bias.value;
    bias.input.disabled = chosen !== "lstm";
    const inputs = Array.from({ length: LENGTH }, (_, time) => [random(), Number(time === 1 || time === 9)]);
    const target = inputs.reduce((sum, [number, mark]) => sum + number * mark, 0);
    ({ h: norms, c: kept } = gradientNorms(chosen, weights, inputs, target));
    drawChain();
    drawPlot();
    const reach = norms.findIndex((norm) => norm < norms[0] / 100);
    const far = norms[LENGTH - 1] / norms[0];
    told.textContent = `${reach < 0 ? `Over all ${LENGTH} steps it keeps more than 1 %` : `After ${reach} steps it is below 1 %`}; at the first step it is ${far < 0.01 || far > 100 ? far.toExponential(1) : far.toFixed(2)} times what it is at the last.`;
    chain.setAttribute("aria-label", `A chain of ${LENGTH} cells. ${told.textContent}`);
    made.update();
  }

  function drawChain() {
    const x = (/** @type {number} */ time) => STEP * (time + 0.5);
    const widest = Math.max(...norms.slice(1));
    const parts = [];
    for (let time = 0; time < LENGTH; time++) {
      if (time) parts.push(drawing("line", { class: "forth", x1: x(time - 1) + 12, x2: x(time) - 12, y1: 32, y2: 32 }));
      const width = (WIDEST * norms[LENGTH - 1 - time]) / widest;
      if (time < LENGTH - 1) parts.push(drawing("polygon", { class: "backward", points: arrow(x(time + 1) - 4, x(time) + 4, 80, width) }));
      parts.push(drawing("circle", { class: "unit", cx: x(time), cy: 32, r: 11 }));
      if (time % 4 === 0 || time === LENGTH - 1) parts.push(drawing("text", { x: x(time), y: 118, "text-anchor": "middle" }, String(time + 1)));
    }
    parts.push(drawing("text", { x: x(LENGTH - 1), y: 13, "text-anchor": "middle" }, "loss"));
    chain.replaceChildren(...parts);
  }

  function drawPlot() {
    const highest = Math.max(0, Math.ceil(Math.log10(Math.max(...norms, ...(kept ?? [])) / norms[0])));
    const y = (/** @type {number} */ norm) => TOP + ((PLOT - TOP - 6) * Math.min(DECADES, highest - Math.log10(Math.max(1e-300, norm / norms[0])))) / DECADES;
    const line = (/** @type {number[]} */ values, /** @type {string} */ kind) => drawing("polyline", { class: kind, points: values.map((norm, distance) => `${STEP * (LENGTH - 0.5 - distance)},${y(norm).toFixed(1)}`).join(" ") });
    const marks = Array.from({ length: DECADES / 2 + 1 }, (_, place) => highest - 2 * place).map((power) => {
      const at = y(norms[0] * 10 ** power);
      return [drawing("line", { class: "grid", x1: 0, x2: WIDE, y1: at, y2: at }), drawing("text", { x: 2, y: at - 3 }, power ? `10${[...String(power)].map((sign) => RAISED[sign]).join("")}` : "1")];
    });
    plot.replaceChildren(...marks.flat(), ...(kept ? [line(kept, "norm-c")] : []), line(norms, "norm-h"), drawing("text", { x: WIDE, y: PLOT + 20, "text-anchor": "end" }, kept ? "h solid, c dashed; beside the h of the last step" : "beside that of the last step"));
  }

  draw();
  return made.node;
}

/** The corners of an arrow to the left, of some width. */
function arrow(/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ y, /** @type {number} */ width) {
  const half = width / 2;
  const neck = Math.min(from, to + 8);
  const corners = [[from, y - half], [neck, y - half], [to, y], [neck, y + half], [from, y + half]];
  return corners.map((corner) => corner.map((value) => value.toFixed(2)).join(",")).join(" ");
}
