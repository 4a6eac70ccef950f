/** Acts that can be undone: the latest in a line at the foot of the page, all of them by Ctrl Z. */

import { element } from "./element.js";
import { announce } from "./messages.js";

const SHOWN = 10_000; // milliseconds

/** @type {{told: string, undo: () => unknown}[]} */
const acts = [];
const text = element("span");
const line = element(
  "div",
  { class: "undo", role: "region", "aria-label": "Undo", hidden: true },
  text,
  element("button", { type: "button", class: "small", onclick: undo }, "Undo"),
);
let timer = 0;
document.body.append(line);
line.addEventListener("pointerenter", () => clearTimeout(timer));
line.addEventListener("focusin", () => clearTimeout(timer));
line.addEventListener("pointerleave", hideSoon);
line.addEventListener("focusout", hideSoon);

/** Remembers how to undo what was just done, and tells of both; `quiet` leaves the line out, for what happens often. */
export function undoable(/** @type {string} */ told, /** @type {() => unknown} */ undo, { quiet = false } = {}) {
  acts.push({ told, undo });
  if (!quiet) announce(`${told} Ctrl Z undoes it.`);
  line.hidden = quiet;
  text.textContent = told;
  hideSoon();
}

/** Undoes the latest act that is not undone; returns whether there was one. */
export function undo() {
  const act = acts.pop();
  line.hidden = true;
  if (!act) return false;
  act.undo();
  announce(`Undone: ${act.told}`);
  return true;
}

/** Whether a key event is the key to undo. */
export function isUndo(/** @type {KeyboardEvent} */ event) {
  return event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
}

function hideSoon() {
  clearTimeout(timer);
  timer = setTimeout(() => (line.hidden = true), SHOWN);
}

addEventListener("keydown", (event) => {
  const { target } = event;
  const writes = target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && /text|search|password|number/.test(target.type));
  if (!isUndo(event) || event.defaultPrevented || writes) return; // a field has its own way to undo what is typed
  if (undo()) event.preventDefault();
});
