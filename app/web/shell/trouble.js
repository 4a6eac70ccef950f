/** The panel that shows a failure where it happened: what was wrong, what to do, and buttons that do it. */

import { element } from "./element.js";
import { askForKey, keys } from "./keys.js";

/** @typedef {import("./failure.js").Failure} Failure */

/**
 * Makes the panel.
 *
 * @param {Failure} failure
 * @param {{again: () => unknown, smaller?: () => unknown, remove?: () => unknown}} remedies Called when the button for
 *   them is pressed. What can't succeed can't be tried again.
 */
export function trouble(failure, { again, smaller, remove }) {
  const button = (/** @type {string} */ text, /** @type {() => unknown} */ act) => element("button", { type: "button", class: "small", onclick: act }, text);
  return element(
    "div",
    { class: "trouble", "data-code": failure.code },
    element("p", {}, element("strong", {}, failure.sentence), failure.advice && ` ${failure.advice}`),
    element(
      "p",
      { class: "actions" },
      failure.status === 401 && button("Enter a key", () => askForKey(failure)),
      failure.status !== 401 && smaller && button("Send a smaller copy", smaller),
      !failure.stays && button("Try again", again),
      failure.stays && remove && button("Remove", remove),
    ),
  );
}

/**
 * Something that may fail, and is tried again when its button is pressed or a key is entered: `run` does it, `failed` is
 * where its failure is shown.
 *
 * @param {() => Promise<unknown>} act
 */
export function attempt(act) {
  const failed = element("div", { role: "alert" });
  async function run() {
    failed.replaceChildren();
    try {
      await act();
    } catch (error) {
      failed.replaceChildren(trouble(/** @type {Failure} */ (error), { again: run }));
    }
  }
  keys.on("entered", run);
  return { failed, run };
}
