/** The dialog that asks for an API key, where the server wants one. */

import { setKey } from "./api.js";
import { element, find } from "./element.js";
import { Emitter } from "./emitter.js";

/** @type {HTMLDialogElement | null} */
let dialog = null;

/** Emits `entered` when a key was entered. */
/** @type {Emitter<{entered: void}>} */
export const keys = new Emitter();

/** Opens the dialog unless it is open, and shows why: the failure of a request. */
export function askForKey(/** @type {import("./failure.js").Failure} */ failure) {
  dialog ??= build();
  find(".why", dialog).textContent = `${failure.sentence} ${failure.advice}`;
  if (!dialog.open) dialog.showModal();
}

function build() {
  const field = element("input", { id: "key", type: "password", autocomplete: "current-password", required: true });
  const made = element(
    "dialog",
    { class: "key", "aria-labelledby": "key-title" },
    element(
      "form",
      { method: "dialog" },
      element("h2", { id: "key-title" }, "This server wants a key"),
      element("p", { class: "why" }),
      element("label", { for: "key" }, "API key"),
      field,
      element("p", { class: "hint" }, "It is kept until this tab is closed, and sent to this server alone."),
      element(
        "p",
        { class: "actions" },
        element("button", { class: "primary", value: "use" }, "Use this key"),
        element("button", { type: "button", onclick: () => made.close("") }, "Not now"),
      ),
    ),
  );
  made.addEventListener("close", () => {
    if (made.returnValue === "use" && field.value.trim()) {
      setKey(field.value.trim());
      keys.emit("entered");
    }
    field.value = "";
    made.returnValue = "";
  });
  document.body.append(made);
  return made;
}
