/** "hello": the network of the lecture, trained here, and played step by step. */

import { slider } from "../../shell/controls.js";
import { button, drawing, element, find, setIcon } from "../../shell/element.js";
import { announce } from "../../shell/messages.js";
import { figure, rounded } from "../inside/figure.js";
import { LETTERS, run, START, spell, train } from "./hello.js";
import { source, uniform } from "./random.js";

const STEPS = 200;
const PACE = 25; // milliseconds that each shown step of the training stays
const WIDE = 200;
const HIGH = 60;

/** Makes the figure. */
export function helloFigure() {
  let seed = 1;
  /** @type {import("./hello.js").Weights} */
  let start = START;
  let path = train(start);
  let timer = 0;

  const network = element("div", { class: "hello-steps", tabindex: 0, role: "group", "aria-label": "The network, letter by letter" });
  const word = element("p", { class: "spelt", role: "status" });
  const curve = drawing("svg", { class: "curve", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const time = slider({ label: "Training step", min: 0, max: STEPS, step: 1, onchange: () => draw() });
  const rate = slider({ label: "Learning rate", min: 0.05, max: 2, step: 0.05, onchange: () => again() });
  const size = slider({ label: "Hidden numbers", min: 1, max: 6, step: 1, hint: "With one, it cannot tell the second l from the first.", onchange: () => other(seed) });
  const play = button("Train it", "play", () => (timer ? stop() : animate()), "primary");
  const draws = button("Other weights", "again", () => other(seed + 1));
  const reset = button("The command's weights", "back", () => other(1, 3));
  time.value = STEPS;
  rate.value = 0.5;
  size.value = 3;

  const made = figure({
    title: "It learns to spell “hello”",
    says: "Four letters go in, one at a time, and the network says which comes next. At the second l the input is the same as at the first: only the hidden numbers know that it is time for o.",
    code: { file: "training/lab/hello.py", line: "(hidden,) = self.cell(x, (hidden,))" },
    table: () => ({
      head: ["input", "target", ...now().hidden.map((_, place) => `h${place + 1}`), ...LETTERS.map((letter) => `score of ${letter}`), "sure"],
      rows: run(path[time.value].weights).map(({ letter, target, hidden, scores, shares }) => [letter, target, ...hidden, ...scores, `${LETTERS[shares.indexOf(Math.max(...shares))]}, ${Math.round(100 * Math.max(...shares))} %`]),
    }),
    body: [element("div", { class: "with-controls" }, element("div", {}, network, word), element("div", { class: "controls" }, element("p", { class: "actions" }, play, draws, reset), time.node, curve, rate.node, size.node))],
  });

  function now() {
    return run(path[time.value].weights)[0];
  }

  /** Begins with other weights: the command's, or those of a seed. */
  function other(/** @type {number} */ which, hidden = size.value) {
    seed = which;
    size.value = hidden;
    if (seed === 1 && hidden === 3) start = START;
    else {
      const draw = source(seed);
      const bound = hidden ** -0.5;
      const some = (/** @type {number} */ count) => uniform(draw, count, bound);
      start = { weight_ih: some(4 * hidden), weight_hh: some(hidden * hidden), bias_ih: some(hidden), bias_hh: some(hidden), output_weight: some(4 * hidden), output_bias: some(4) };
    }
    again();
  }

  function again() {
    path = train(start, { steps: STEPS, rate: rate.value });
    time.value = STEPS;
    draw();
  }

  /** Plays the training from its beginning. */
  function animate() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      again();
      announce(word.textContent ?? "");
      return;
    }
    time.value = 0;
    timer = setInterval(() => {
      time.value = Math.min(STEPS, time.value + 2);
      draw();
      if (time.value === STEPS) stop();
    }, PACE);
    draw();
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    draw();
  }

  function draw() {
    const { weights, loss } = path[time.value];
    setIcon(play, timer ? "stop" : "play");
    find("span", play).textContent = timer ? "Stop" : "Train it";
    network.replaceChildren(...run(weights).map(column));
    word.replaceChildren("After ", element("b", {}, String(time.value)), " steps it spells ", element("strong", {}, spell(weights)), `, with a loss of ${rounded(loss)} nats a letter.`);
    const most = Math.max(...path.map((step) => step.loss));
    const x = (/** @type {number} */ step) => (WIDE * step) / STEPS;
    const y = (/** @type {number} */ value) => HIGH - 2 - ((HIGH - 4) * value) / most;
    curve.replaceChildren(
      drawing("polyline", { points: path.map((step, number) => `${x(number).toFixed(1)},${y(step.loss).toFixed(1)}`).join(" ") }),
      drawing("line", { x1: x(time.value), x2: x(time.value), y1: 0, y2: HIGH }),
    );
    made.update();
  }

  draw();
  return made.node;
}

/** A step as a column: its input below, the hidden numbers, and its scores on top, as in the lecture. */
function column(/** @type {import("./hello.js").Step} */ { letter, target, hidden, scores, shares }) {
  const best = LETTERS[shares.indexOf(Math.max(...shares))];
  const says = element("p", { class: best === target ? "says-right" : "says-wrong" }, `says ${best}`, element("small", {}, `${Math.round(100 * Math.max(...shares))} %, should be ${target}`));
  return element(
    "div",
    { class: "hello-step" },
    says,
    vector(scores, "scores", LETTERS, target),
    vector(hidden, "hidden"),
    vector(LETTERS.map((other) => Number(other === letter)), "input", LETTERS),
    element("p", { class: "reads" }, `reads ${letter}`),
  );
}

function vector(/** @type {number[]} */ values, /** @type {string} */ kind, /** @type {string[]} */ names = [], target = "") {
  const parts = values.map((value, place) => {
    const made = element("span", { class: `number-cell${names[place] && names[place] === target ? " wanted" : ""}` }, names[place] ? element("small", {}, names[place]) : null, rounded(value, 1));
    const share = Math.round(70 * Math.min(1, Math.abs(value) / (kind === "scores" ? 5 : 1)));
    made.style.background = `color-mix(in srgb, var(${value < 0 ? "--minus" : "--plus"}) ${share}%, transparent)`;
    return made;
  });
  return element("div", { class: "vector", role: "img", "aria-label": `${kind}: ${values.map((value, place) => `${names[place] ?? ""} ${rounded(value, 1)}`.trim()).join(", ")}` }, ...parts);
}
