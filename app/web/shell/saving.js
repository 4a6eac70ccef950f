/** Texts that a person takes along: as a file, or on the clipboard. */

import { announce } from "./messages.js";

/** Has the browser save a text as a file. */
export function save(/** @type {string} */ text, /** @type {string} */ name, /** @type {string} */ type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * Copies a text, and says so; returns whether it could. Browsers forbid it to pages from elsewhere without TLS: `select` then
 * selects the text, to be copied by hand.
 *
 * @param {string} name
 * @param {string} text
 * @param {() => void} select
 */
export async function copy(name, text, select) {
  try {
    await navigator.clipboard.writeText(text);
    announce(`${name} copied.`);
    return true;
  } catch {
    select();
    announce("This browser lets no page without TLS copy. The text is selected: copy it with Ctrl C.");
    return false;
  }
}
