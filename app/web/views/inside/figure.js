/** A figure in which one can see a network work: two sentences, a drawing, the line of code that it shows, and a table. */

import { element } from "../../shell/element.js";

/** @typedef {(string | number)[]} Row */

/**
 * Makes one. `says` are its sentences, `body` is what is drawn, `code` a line and the file that has it.
 *
 * @param {{title: string, says: string, body: (Node | string | null)[], code: {file: string, line: string},
 *   table: () => {head: string[], rows: Row[]}}} parts
 *   `table` returns the drawing's values as they are; it is called while the table is open.
 * @returns {{node: HTMLElement, update: () => void}} `update` is called when what is drawn has changed.
 */
export function figure({ title, says, body, code, table }) {
  const scroll = element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `${title}, as a table` });
  const details = element("details", { class: "numbers" }, element("summary", {}, "As a table"), scroll);
  const id = `figure-${title.replace(/\W+/g, "-").toLowerCase()}`;
  function update() {
    if (details.open) scroll.replaceChildren(tabled(table()));
  }
  details.addEventListener("toggle", update);
  const shown = element("p", { class: "shown-code hint" }, "The line that it shows: ", element("code", {}, code.line), " in ", element("code", {}, code.file));
  const node = element("section", { class: "panel figure", "aria-labelledby": id }, element("h2", { id }, title), element("p", { class: "says" }, says), ...body, shown, details);
  return { node, update };
}

function tabled(/** @type {{head: string[], rows: Row[]}} */ { head, rows }) {
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) => element("td", { class: typeof value === "number" && "number" }, typeof value === "number" ? rounded(value) : value))))),
  );
}

/** A number as people read it: whole, or with three decimals and a true minus. */
export function rounded(/** @type {number} */ value, digits = 3) {
  return (Number.isInteger(value) ? String(value) : value.toFixed(digits)).replace("-", "−");
}
