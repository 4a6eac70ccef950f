/** All cells of a model as dots, a block for each layer, coloured by what they do at one character. */

import { drawing, element } from "../../shell/element.js";
import { Emitter } from "../../shell/emitter.js";

const DOT = 9;

/** @typedef {import("./activity.js").Place} Place */

/**
 * Emits `chosen` with a cell that was clicked or walked to.
 *
 * @extends {Emitter<{chosen: Place}>}
 */
export class CellGrid extends Emitter {
  /** @type {SVGElement[][]} */
  #dots = [];
  /** @type {Place} */
  #chosen = { layer: 1, cell: 0 };
  #columns = 32;
  node = element("div", { class: "cell-grid", tabindex: 0, role: "group", "aria-describedby": "grid-keys" });

  constructor() {
    super();
    this.node.addEventListener("click", (event) => {
      const dot = /** @type {SVGElement} */ (event.target);
      if (dot.dataset.cell) this.emit("chosen", { layer: Number(dot.dataset.layer), cell: Number(dot.dataset.cell) });
    });
    this.node.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.#columns, ArrowUp: -this.#columns }[event.key];
      const layer = this.#chosen.layer + ({ PageDown: 1, PageUp: -1 }[event.key] ?? 0);
      const cell = this.#chosen.cell + (by ?? 0);
      if (by === undefined && layer === this.#chosen.layer) return;
      event.preventDefault();
      if (this.#dots[layer - 1]?.[cell]) this.emit("chosen", { layer, cell });
    });
  }

  /** Makes the dots of so many layers of so many cells; those with a name are marked. */
  shape(/** @type {number} */ layers, /** @type {number} */ cells, /** @type {Place[]} */ named) {
    this.#columns = Math.max(1, Math.round(Math.sqrt(2 * cells)));
    this.#dots = Array.from({ length: layers }, (_, block) =>
      Array.from({ length: cells }, (_, cell) => {
        const [x, y] = [cell % this.#columns, Math.floor(cell / this.#columns)];
        return drawing("rect", { x: DOT * x + 1, y: DOT * y + 1, width: DOT - 2, height: DOT - 2, rx: 2, "data-layer": block + 1, "data-cell": cell });
      }),
    );
    for (const { layer, cell } of named) this.#dots[layer - 1][cell].classList.add("named");
    const [width, height] = [DOT * this.#columns, DOT * Math.ceil(cells / this.#columns)];
    this.node.replaceChildren(
      ...this.#dots.map((dots, block) =>
        element("div", { class: "block" }, element("p", { class: "hint" }, `Layer ${block + 1}`), drawing("svg", { class: "dots", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...dots)),
      ),
    );
  }

  /** Colours the dots by what they do at a token. */
  show(/** @type {import("./activity.js").Activity} */ activity, /** @type {number} */ token) {
    this.#dots.forEach((dots, block) => {
      dots.forEach((dot, cell) => {
        const value = activity.at({ layer: block + 1, cell }, token);
        dot.style.fill = value < 0 ? "var(--minus)" : "var(--plus)";
        dot.style.fillOpacity = String(Math.max(0.06, Math.abs(value)));
      });
    });
  }

  choose(/** @type {Place} */ { layer, cell }) {
    this.#dots[this.#chosen.layer - 1]?.[this.#chosen.cell]?.classList.remove("chosen");
    this.#dots[layer - 1]?.[cell]?.classList.add("chosen");
    this.#chosen = { layer, cell };
    this.node.setAttribute("aria-label", `All cells; chosen: layer ${layer}, cell ${cell}`);
  }
}
