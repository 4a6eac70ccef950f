/** A cell's gates and states over a text, a row each, with its numbers at one character. */

import { drawing, element } from "../../shell/element.js";
import { rounded } from "../inside/figure.js";

const HEIGHT = 30;

/** @type {Record<string, [name: string, low: number]>} */
const ROWS = {
  i: ["input gate", 0],
  f: ["forget gate", 0],
  g: ["candidate", -1],
  o: ["output gate", 0],
  r: ["reset gate", 0],
  z: ["update gate", 0],
  n: ["candidate", -1],
  c: ["cell state, tanh", -1],
  h: ["hidden state", -1],
};

/** @typedef {{hidden: number[], cell_state?: number[], gates?: Record<string, number[]>}} Series */

export class GateRows {
  node = element("div", { class: "gates" });
  /** @type {[values: number[], output: HTMLElement, mark: SVGElement][]} */
  #rows = [];

  /** The rows' letters and values. */
  static of(/** @type {Series} */ { hidden, cell_state, gates }) {
    const kept = cell_state ? { c: cell_state.map(Math.tanh) } : {};
    return Object.entries({ ...gates, ...kept, h: hidden });
  }

  show(/** @type {Series} */ series) {
    this.node.replaceChildren();
    this.#rows = GateRows.of(series).map(([letter, values]) => {
      const [name, low] = ROWS[letter];
      const y = (/** @type {number} */ value) => 1 + ((HEIGHT - 2) * (1 - value)) / (1 - low);
      const mark = drawing("line", { class: "now", y1: 0, y2: HEIGHT });
      const width = Math.max(1, values.length - 1);
      const chart = drawing(
        "svg",
        { class: "row-chart", viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        drawing("line", { class: "zero", x1: 0, x2: width, y1: y(0), y2: y(0) }),
        drawing("polyline", { class: "track", points: values.map((/** @type {number} */ value, /** @type {number} */ place) => `${place},${y(value).toFixed(2)}`).join(" ") }),
        mark,
      );
      const output = element("output", {});
      this.node.append(element("span", { class: "gate-name" }, element("b", {}, letter), ` ${name}`), chart, output);
      return [values, output, mark];
    });
  }

  point(/** @type {number} */ token) {
    for (const [values, output, mark] of this.#rows) {
      output.textContent = token < values.length ? rounded(values[token], 2) : "";
      mark.setAttribute("x1", String(token));
      mark.setAttribute("x2", String(token));
    }
  }
}
