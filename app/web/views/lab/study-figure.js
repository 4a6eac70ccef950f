/** The study of variants: the best tenth of each cell's trials as box plots, whose dots lead to their trials. */

import { request } from "../../shell/api.js";
import { choice } from "../../shell/controls.js";
import { button, drawing, element } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { figure, rounded } from "../inside/figure.js";
import { bestTenth, quantile, readTrials } from "./study.js";

const OURS = "web/views/lab/trials.csv"; // of the study that Recap has been through: only a head, until there is one
const NOT_RUN = "This study has not been run for this version of Recap, so there is nothing to show. “recap-train lab odyssey” runs it; open the trials.csv that it writes.";
const ROW = 34;
const LEFT = 130;
const WIDE = 800;

/** @typedef {import("./study.js").Trial} Trial */

/** Makes the figure. */
export function studyFigure() {
  /** @type {Trial[]} */
  let trials = [];
  const told = element("p", { role: "status" });
  const chart = drawing("svg", { class: "boxes", role: "group" });
  const task = choice({ label: "Task", options: [], onchange: () => draw() });
  const found = element("div", { class: "study", hidden: true }, task.node, element("div", { class: "scroll" }, chart));
  const files = {
    accept: ".csv,text/csv",
    names: /\.csv$/i,
    none: "There is no CSV file in this folder.",
    link: "Save the trials as a file first: links are not followed.",
    take: async (/** @type {import("../../shell/view.js").NamedFile[]} */ [{ file, name }]) => {
      try {
        take(readTrials(await file.text()), name);
      } catch (error) {
        told.textContent = `${name} is no list of trials: ${/** @type {Error} */ (error).message}.`;
      }
    },
  };

  const made = figure({
    title: "Which parts an LSTM needs",
    says: "Each variant was trained with many settings drawn at random, on several tasks. A box has the middle half of its best tenth, by error on sequences held out; each dot is a trial.",
    code: { file: "training/lab/odyssey/statistics.py", line: "return sorted(rows, key=lambda row: row.dev)[: max(2, math.ceil(len(rows) / 10))]" },
    table: () => ({
      head: ["cell", "trials", "least", "median", "greatest"],
      rows: byCell().map(([cell, best, all]) => [cell, all.length, ...[0, 0.5, 1].map((share) => quantile(best.map(({ held }) => held), share))]),
    }),
    body: [found, told, element("p", { class: "actions" }, button("Open a study's trials.csv", "M12 16V4m-5 5 5-5 5 5M5 20h14", () => choose(files)))],
  });

  function take(/** @type {Trial[]} */ read, /** @type {string} */ name) {
    trials = read;
    found.hidden = false;
    const tasks = [...new Set(trials.map((trial) => trial.task))];
    task.input.replaceChildren(...tasks.map((one) => element("option", { value: one }, one)));
    task.value = tasks[0];
    told.textContent = `${name}: ${trials.length} trials. Choose one.`;
    draw();
  }

  /** Each cell of the chosen task with its best trials by their error, and all of them. */
  function byCell() {
    const here = trials.filter((trial) => trial.task === task.value);
    return [...new Set(here.map(({ cell }) => cell))].map((cell) => {
      const all = here.filter((trial) => trial.cell === cell);
      return /** @type {[string, Trial[], Trial[]]} */ ([cell, bestTenth(all).sort((one, other) => one.held - other.held), all]);
    });
  }

  function draw() {
    const cells = byCell();
    const errors = cells.flatMap(([, best]) => best.map(({ held }) => held));
    const [low, high] = [Math.min(...errors), Math.max(...errors)];
    const x = (/** @type {number} */ held) => LEFT + 10 + ((WIDE - LEFT - 30) * (held - low)) / (high - low || 1);
    /** @type {SVGElement[][]} */
    const dots = [];
    const rows = cells.flatMap(([cell, best], place) => {
      const y = ROW * (place + 0.5);
      const [first, middle, third] = [0.25, 0.5, 0.75].map((share) => x(quantile(best.map(({ held }) => held), share)));
      dots.push(best.map((trial, number) => {
        const dot = drawing("circle", { class: "trial", cx: x(trial.held), cy: y, r: 5, tabindex: place || number ? -1 : 0, role: "button", "aria-label": telling(trial) });
        dot.addEventListener("click", () => tell(dot, trial));
        dot.addEventListener("focus", () => tell(dot, trial));
        dot.addEventListener("keydown", (event) => walk(event, dots, place, number));
        return dot;
      }));
      return [
        drawing("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, cell),
        drawing("rect", { class: "box", x: first, y: y - 10, width: Math.max(1, third - first), height: 20, rx: 3 }),
        drawing("line", { class: "median", x1: middle, x2: middle, y1: y - 10, y2: y + 10 }),
        ...dots[place],
      ];
    });
    const height = ROW * cells.length + 24;
    chart.setAttribute("viewBox", `0 0 ${WIDE} ${height}`);
    chart.setAttribute("aria-label", `Error on sequences held out, on ${task.value}; less is better. Arrow keys go from trial to trial.`);
    chart.replaceChildren(...rows, drawing("text", { x: x(low), y: height - 4, "text-anchor": "middle" }, rounded(low)), drawing("text", { x: x(high), y: height - 4, "text-anchor": "middle" }, rounded(high)));
    made.update();
  }

  function tell(/** @type {SVGElement} */ dot, /** @type {Trial} */ trial) {
    chart.querySelector(".chosen")?.classList.remove("chosen");
    dot.classList.add("chosen");
    told.textContent = telling(trial);
  }

  request(OURS).then(
    async (response) => {
      const ours = readTrials(await response.text());
      if (ours.length) take(ours, "Recap's study");
      else if (!trials.length) told.textContent = NOT_RUN;
    },
    (failure) => (told.textContent = failure.sentence),
  );
  return made.node;
}

function telling(/** @type {Trial} */ { cell, number, size, rate, momentum, noise, optimizer, dev, held, parameters, seconds }) {
  return `${cell}, trial ${number}: error ${rounded(held)} on held-out sequences, ${rounded(dev)} on dev; ${size} units (${parameters.toLocaleString("en")} weights), ${optimizer} at rate ${rate}, momentum ${rounded(momentum, 2)}, input noise ${rounded(noise, 2)}; ${Math.round(seconds)} s.`;
}

/** Moves the focus among dots, a row for each cell. */
function walk(/** @type {KeyboardEvent} */ event, /** @type {SVGElement[][]} */ dots, /** @type {number} */ row, /** @type {number} */ place) {
  const [down, across] = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key] ?? [0, 0];
  const next = dots[row + down]?.[Math.min(place + across, (dots[row + down]?.length ?? 1) - 1)];
  if (!next || (!down && !across)) return;
  event.preventDefault();
  dots[row][place].setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}
