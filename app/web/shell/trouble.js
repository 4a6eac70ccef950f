/** A failure where it happened: what was wrong, what to do, and the buttons that do it. */

import { askForKey } from "./key.js";
import { element } from "./element.js";

/**
 * @param {Failure} failure
 * @param {{again: Function, smaller: Function?}} remedies called when the button for them is pressed.
 */
export function trouble(failure, { again, smaller = null }) {
  const buttons = [];
  const button = (text, act) => buttons.push(element("button", { type: "button", class: "small", onclick: act }, text));
  if (failure.status === 401) button("Enter a key", () => askForKey(failure));
  else if (smaller) button("Send a smaller copy", smaller);
  button("Try again", again);
  return element(
    "div",
    { class: "trouble", "data-code": failure.code },
    element("p", {}, element("strong", {}, failure.sentence), failure.advice && ` ${failure.advice}`),
    element("p", { class: "actions" }, ...buttons),
  );
}
