/** Buttons that copy a caption. */

import { element, icon } from "../../shell/element.js";
import { copy as take } from "../../shell/saving.js";
import { asAlt, asCurl, asJson, asText } from "./formats.js";

/** @typedef {import("./album.js").Picture} Picture */

/** @type {[short: string, name: string, form: (picture: Picture) => string][]} */
const FORMS = [
  ["Text", "Text", asText],
  ["alt", "Alt attribute", asAlt],
  ["JSON", "JSON", asJson],
  ["curl", "curl line", asCurl],
];

/** Makes the buttons; when one is pressed, `current` returns the picture whose caption is copied. */
export function copying(/** @type {() => Picture} */ current) {
  const page = element("textarea", { class: "by-hand", readonly: true, rows: 4, hidden: true, "aria-label": "To copy by hand" });
  const buttons = FORMS.map(([short, name, form]) => {
    const label = element("span", {}, short);
    const copy = async () => {
      const text = form(current());
      page.hidden = await take(name, text, () => {
        page.hidden = false;
        page.value = text;
        page.focus();
        page.select();
      });
      if (!page.hidden) return;
      label.textContent = "Copied";
      setTimeout(() => (label.textContent = short), 1500);
    };
    return element("button", { type: "button", class: "small", "aria-label": `Copy as ${name}`, onclick: copy }, icon("copy"), label);
  });
  return element("div", { class: "copying", role: "group", "aria-label": "Copy the caption" }, ...buttons, page);
}
