/** Beam search as a drawing: one column per step, and a line from each hypothesis to those that extend it. */

import { drawing, element } from "../../shell/element.js";

const COLUMN = 108;
const NODE = 88; // width
const LEAST = 0.72; // of its size, where room is short; below that, it scrolls
const ROW = 40;
const MARGIN = 2; // for the lines around the outermost

/**
 * A hypothesis after some step: its last word (none at the end), the one that it went on from, and whether it was kept.
 *
 * @typedef {{text?: string, parent: number, logprob: number, kept: boolean, finished: boolean}} Hypothesis
 */
/**
 * The server's `tree`: the hypotheses of each step, and which of the last step's became captions, the best first.
 *
 * @typedef {{steps: Hypothesis[][], captions: number[]}} Tree
 */

/** Draws a tree, with a line of text below it about the hypothesis that is pointed at. */
export function beamTree(/** @type {Tree} */ { steps, captions }) {
  const told = element("p", { class: "hypothesis", "aria-hidden": "true" });
  const rows = Math.max(...steps.map((step) => step.length));
  const size = { width: 2 * MARGIN + COLUMN * (steps.length - 1) + NODE, height: 2 * MARGIN + ROW * rows };
  const svg = drawing("svg", { class: "tree", role: "group", ...size, viewBox: `0 0 ${size.width} ${size.height}`, "aria-label": summary(steps) });
  /** @type {{line: SVGElement, mark: SVGElement}[][]} */
  const nodes = steps.map(() => []);
  svg.style.maxWidth = `${size.width}px`;
  svg.style.minWidth = `${LEAST * size.width}px`;
  const lines = drawing("g", {});
  const marks = drawing("g", {});

  const last = steps.length - 1;
  const won = captions.map((place) => new Set(lineage(steps, last, place).map(([step, at]) => `${step} ${at}`)));
  steps.forEach((step, time) => {
    step.forEach((node, place) => {
      const key = `${time} ${place}`;
      const kind = won[0]?.has(key) ? "best" : won.some((path) => path.has(key)) ? "caption" : node.kept ? "lived" : "died";
      nodes[time][place] = draw(node, time, place, kind);
    });
  });
  svg.append(lines, marks);
  const best = captions[0] ?? 0;
  nodes[last][best]?.mark.setAttribute("tabindex", "0");
  told.textContent = telling(steps, last, best);

  function draw(/** @type {Hypothesis} */ node, /** @type {number} */ time, /** @type {number} */ place, /** @type {string} */ kind) {
    const { x, y } = at(time, place);
    const carried = node.finished && time > 0 && steps[time - 1][node.parent]?.finished;
    const text = carried ? "·" : (node.text ?? "■");
    const line = drawing("path", { class: `edge ${kind}${carried ? " carried" : ""}`, d: time ? curve(at(time - 1, node.parent), { x, y }) : "" });
    const label = drawing("text", { x, y: y + 5, "text-anchor": "middle" }, fitted(text));
    const mark = drawing(
      "g",
      { class: `node ${kind}`, role: "img", tabindex: -1, "aria-label": telling(steps, time, place) },
      drawing("rect", { x: x - NODE / 2, y: y - 14, width: NODE, height: 28, rx: 14 }),
      label,
    );
    mark.addEventListener("pointerenter", () => tell(time, place));
    mark.addEventListener("focus", () => tell(time, place));
    mark.addEventListener("keydown", (event) => walk(event, time, place));
    lines.append(line);
    marks.append(mark);
    return { line, mark };
  }

  function tell(/** @type {number} */ time, /** @type {number} */ place) {
    for (const part of svg.querySelectorAll(".path")) part.classList.remove("path");
    for (const [step, at] of lineage(steps, time, place)) {
      nodes[step][at].line.classList.add("path");
      nodes[step][at].mark.classList.add("path");
    }
    told.textContent = telling(steps, time, place);
  }

  function walk(/** @type {KeyboardEvent} */ event, /** @type {number} */ time, /** @type {number} */ place) {
    const child = steps[time + 1]?.findIndex(({ parent }) => parent === place) ?? -1;
    const [step, at] = {
      ArrowLeft: [time - 1, steps[time][place].parent],
      ArrowRight: [time + 1, child],
      ArrowUp: [time, place - 1],
      ArrowDown: [time, place + 1],
    }[event.key] ?? [-1, -1];
    const next = nodes[step]?.[at];
    if (!next) return;
    event.preventDefault();
    nodes[time][place].mark.setAttribute("tabindex", "-1");
    next.mark.setAttribute("tabindex", "0");
    next.mark.focus();
  }

  return element("div", { class: "beam" }, element("div", { class: "scroll" }, svg), told);
}

function at(/** @type {number} */ time, /** @type {number} */ place) {
  return { x: MARGIN + COLUMN * time + NODE / 2, y: MARGIN + ROW * (place + 0.5) };
}

/** @typedef {{x: number, y: number}} Point */

function curve(/** @type {Point} */ from, /** @type {Point} */ to) {
  const start = from.x + NODE / 2;
  const end = to.x - NODE / 2;
  const middle = (start + end) / 2;
  return `M${start} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${end} ${to.y}`;
}

function fitted(/** @type {string} */ text) {
  return text.length > 11 ? `${text.slice(0, 10)}…` : text;
}

/** A hypothesis and its ancestors, from the first word on. */
function lineage(/** @type {Hypothesis[][]} */ steps, /** @type {number} */ time, /** @type {number} */ place) {
  /** @type {[step: number, place: number][]} */
  const path = [];
  for (let step = time, at = place; step >= 0 && steps[step][at]; step--) {
    path.unshift([step, at]);
    at = steps[step][at].parent;
  }
  return path;
}

function telling(/** @type {Hypothesis[][]} */ steps, /** @type {number} */ time, /** @type {number} */ place) {
  const node = steps[time][place];
  const words = lineage(steps, time, place).map(([step, at]) => steps[step][at].text).filter(Boolean);
  const last = time === steps.length - 1;
  const fate = last ? (node.kept ? "became a caption" : "was not among the best") : node.kept ? "went on" : "dropped here";
  const end = node.finished ? ", complete" : "";
  return `Step ${time + 1}: “${words.join(" ")}”${end}, log-probability ${node.logprob.toFixed(2)}, ${fate}.`;
}

function summary(/** @type {Hypothesis[][]} */ steps) {
  const died = steps.flat().filter(({ kept }) => !kept).length;
  return `Beam tree of ${steps.length} steps: ${steps.flat().length} hypotheses were kept in view, ${died} of them dropped. Arrow keys go from one to the next.`;
}
