/** The dialog that exports captions: which of them, in which form, with which columns. */

import { segments } from "../../shell/controls.js";
import { element } from "../../shell/element.js";
import { save } from "../../shell/saving.js";
import { store } from "../../shell/store.js";
import { COLUMNS, FORMATS } from "./exports.js";

/** @typedef {import("./album.js").Picture} Picture */

const USUAL = Object.keys(COLUMNS).filter((name) => name !== "existing");

/** Opens it for all pictures, or for those that the sheet shows, if these are fewer. */
export function exportDialog(/** @type {Picture[]} */ all, /** @type {Picture[]} */ shown) {
  const chosen = { format: "CSV", columns: USUAL, ...store.notes.export };
  let only = shown.length < all.length;
  const told = element("p", { class: "hint", role: "status" });
  const form = segments({
    label: "Form",
    options: Object.keys(FORMATS).map((name) => [name, name]),
    onchange: (value) => {
      chosen.format = value;
      draw();
    },
  });
  const which = segments({
    label: "Which",
    options: [
      ["shown", `The ${shown.length} shown`],
      ["all", `All ${all.length}`],
    ],
    onchange: (value) => {
      only = value === "shown";
      draw();
    },
  });
  which.node.hidden = !only;
  const boxes = Object.keys(COLUMNS).map((name) => element("input", { type: "checkbox", id: `column-${name}`, value: name, checked: chosen.columns.includes(name), onchange: draw }));
  const columns = element("fieldset", { class: "columns" }, element("legend", {}, "Columns"), ...boxes.map((box) => element("span", { class: "check" }, box, element("label", { for: box.id }, box.value))));
  const go = element("button", { class: "primary", value: "save" });
  const dialog = element(
    "dialog",
    { class: "export", "aria-labelledby": "export-title", onclose: () => dialog.remove() },
    element(
      "form",
      { method: "dialog", onsubmit: (/** @type {SubmitEvent} */ event) => event.submitter === go && write() },
      element("h2", { id: "export-title" }, "Export"),
      which.node,
      form.node,
      columns,
      told,
      element("p", { class: "actions" }, go, element("button", { value: "" }, "Not now")),
    ),
  );

  function ready() {
    return (only ? shown : all).filter(({ finished, settled }) => finished || settled);
  }

  function draw() {
    chosen.columns = boxes.filter(({ checked }) => checked).map(({ value }) => value);
    form.value = chosen.format;
    which.value = only ? "shown" : "all";
    columns.hidden = chosen.format !== "CSV";
    const open = (only ? shown : all).length - ready().length;
    told.textContent = open ? `${open} ${open === 1 ? "has" : "have"} no caption yet and ${open === 1 ? "is" : "are"} left out. Wait for ${open === 1 ? "it" : "them"}, or export the others now.` : "";
    go.textContent = `Export ${ready().length}`;
    go.disabled = !ready().length || (chosen.format === "CSV" && !chosen.columns.length);
  }

  function write() {
    const { name, type, write } = FORMATS[chosen.format];
    store.note("export", chosen);
    save(write(ready(), chosen.columns), name, type);
  }

  document.body.append(dialog);
  draw();
  dialog.showModal();
  go.focus();
}
