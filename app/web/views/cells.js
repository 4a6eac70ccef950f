/** Cells: a text, coloured by what one cell of a language model keeps while it reads. */

import { loadStyles } from "../shell/styles.js";
import { INSIDE } from "./groups.js";

let go = (/** @type {string} */ _place) => {};

/** @type {import("../shell/view.js").View} */
export default {
  title: "Cells",
  hash: "cells",
  icon: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z",
  says: "What the cells of a language model keep",
  group: INSIDE,

  async mount({ section }) {
    const [{ mountCells }] = await Promise.all([import("./cells/page.js"), loadStyles("views/cells/cells.css")]);
    go = mountCells(section);
  },

  /** Shows the cell of the address, `MODEL/LAYER/CELL`. */
  arrive: (place) => go(place),
};
