/** Gates: one cell with its numbers at each step, and the forms that it can have. */

import { choice, slider } from "../../shell/controls.js";
import { button, drawing, element } from "../../shell/element.js";
import { figure, rounded } from "../inside/figure.js";
import { equations, MEMORY, run, VARIANTS } from "./cell.js";
import { mathematics } from "./mathematics.js";
import { source } from "./random.js";

const LENGTH = 12;

/** @typedef {import("./cell.js").Variant} Variant */

/** The boxes of the drawing: what each is, and where. */
/** @type {Record<string, [x: number, y: number]>} */
const BOXES = { i: [150, 150], f: [280, 60], g: [150, 240], o: [410, 240], c: [410, 150], h: [540, 240] };

/** @type {Record<string, string>} */
const NAMES = { i: "input gate", f: "forget gate", g: "candidate", o: "output gate", c: "cell state", h: "output" };

/** Makes the figure. */
export function cellFigure() {
  let seed = 5;
  /** @type {number[][]} */
  let inputs = [];
  /** @type {import("./cell.js").State[]} */
  let states = [];
  const chart = drawing("svg", { class: "one-cell", viewBox: "0 0 620 310", role: "img" });
  const formulas = element("div", { class: "formulas", tabindex: 0, role: "group", "aria-label": "Its equations" });
  const marks = element("ol", { class: "marks", "aria-label": "The sequence: press a step to mark its number, or to take the mark away" });
  const time = slider({ label: "Step", min: 1, max: LENGTH, step: 1, onchange: () => draw() });
  const variant = choice({ label: "Variant", options: Object.entries(VARIANTS).map(([name, { title }]) => [name, title]), onchange: () => compute() });
  const told = element("p", { role: "status" });

  const made = figure({
    title: "One cell, with and without its parts",
    says: "This cell is a memory: where a step is marked, it takes the number, and keeps it until the next mark. Take a part away, and see which of that it can no longer do.",
    code: { file: "model/cells.py", line: "c = f * state[1] + i * g" },
    table: () => ({ head: ["step", "number", "mark", "i", "f", "g", "o", "c", "h"], rows: states.map(({ i, f, g, o, c, h }, place) => [place + 1, ...inputs[place], i, f, g, o, c, h]) }),
    body: [
      marks,
      element("div", { class: "with-controls" }, element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "The cell" }, chart), element("div", { class: "controls" }, variant.node, time.node, element("p", { class: "actions" }, button("Other numbers", "again", () => renew(seed + 1))))),
      told,
      formulas,
    ],
  });

  function renew(/** @type {number} */ other) {
    seed = other;
    const random = source(seed);
    inputs = Array.from({ length: LENGTH }, (_, step) => [Math.round(20 * random() - 10) / 10, Number(step === 1 || step === 7)]);
    compute();
  }

  function compute() {
    const chosen = /** @type {Variant} */ (variant.value);
    states = run(chosen, MEMORY, inputs);
    formulas.replaceChildren(
      ...Object.entries(equations(chosen)).map(([name, text]) => element("div", { class: VARIANTS[chosen].lacks.includes(name) ? "missing" : "" }, mathematics(text))),
    );
    draw();
    made.update();
  }

  function draw() {
    const chosen = /** @type {Variant} */ (variant.value);
    const place = time.value - 1;
    const now = states[place];
    const focused = [...marks.children].findIndex((item) => item.contains(document.activeElement));
    marks.replaceChildren(
      ...inputs.map(([number, mark], step) =>
        element(
          "li",
          { class: step === place && "now" },
          element("button", { type: "button", class: "small", "aria-pressed": String(mark === 1), "aria-label": `Step ${step + 1}, number ${rounded(number, 1)}`, onclick: () => toggle(step) }, rounded(number, 1)),
          element("small", {}, rounded(states[step].h, 2)),
        ),
      ),
    );
    if (focused >= 0) /** @type {HTMLElement | null} */ (marks.children[focused].querySelector("button"))?.focus();
    const { lacks } = VARIANTS[chosen];
    const gone = (/** @type {string} */ part) => (lacks.includes(part) ? " missing" : "");
    const lines = [
      wire("M40 240H126", ""), wire("M40 240C80 240 80 150 126 150", gone("i")), wire("M40 240C80 240 90 60 256 60", gone("f")),
      wire("M40 240C80 300 330 300 386 250", gone("o")),
      wire("M174 150H386", ""), wire("M174 240C230 240 240 158 262 152", ""), wire("M280 84C280 130 330 150 386 150", gone("f")),
      wire("M434 150C500 150 500 225 518 236", ""), wire("M434 240H516", gone("o")),
      wire("M410 126C400 40 340 30 304 50", `${gone("p")} peephole`), wire("M410 126C390 90 220 90 158 126", `${gone("p")} peephole`), wire("M410 197V216", `${gone("p")} peephole`),
    ];
    const boxes = Object.entries(BOXES).map(([name, [x, y]]) => box(name, x, y, now[/** @type {keyof typeof now} */ (name)], gone(name)));
    const [number, mark] = inputs[place];
    chart.replaceChildren(...lines, ...boxes, drawing("text", { x: 22, y: 225, "text-anchor": "middle" }, "x, h′"), drawing("text", { class: "value", x: 22, y: 245, "text-anchor": "middle" }, `${rounded(number, 1)}${mark ? " ●" : ""}`));
    const numbers = Object.keys(BOXES).map((name) => `${name} ${rounded(now[/** @type {keyof typeof now} */ (name)], 2)}`);
    told.textContent = `Step ${time.value}: number ${rounded(number, 1)}, ${mark ? "marked" : "not marked"}; ${numbers.join(", ")}.`;
    chart.setAttribute("aria-label", `An LSTM cell, ${VARIANTS[chosen].title}. ${told.textContent}`);
  }

  function toggle(/** @type {number} */ step) {
    inputs[step] = [inputs[step][0], 1 - inputs[step][1]];
    time.value = step + 1;
    compute();
  }

  time.value = 2;
  renew(seed);
  return made.node;
}

function wire(/** @type {string} */ d, /** @type {string} */ kind) {
  return drawing("path", { class: `wire${kind}`, d });
}

/** A part of the cell, filled by its value. */
function box(/** @type {string} */ name, /** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ value, /** @type {string} */ kind) {
  const rect = drawing("rect", { x: x - 24, y: y - 24, width: 48, height: 48, rx: "igof".includes(name) ? 24 : 8 });
  rect.style.fill = `color-mix(in srgb, var(${value < 0 ? "--minus" : "--plus"}) ${Math.round(70 * Math.min(1, Math.abs(value)))}%, var(--sheet))`;
  return drawing(
    "g",
    { class: `part-box${kind}` },
    rect,
    drawing("text", { class: "letter", x, y: y - 3, "text-anchor": "middle" }, name),
    drawing("text", { class: "value", x, y: y + 13, "text-anchor": "middle" }, rounded(value, 2)),
    drawing("text", { class: "part-name", x, y: y + 40, "text-anchor": "middle" }, NAMES[name]),
  );
}
