/** Messages of the whole page: for screen readers, and in a line above the views. */

import { find } from "./element.js";

const line = find("#notice");
/** @type {string[]} */
const said = [];
let timer = 0;

/** Says something to screen readers; what is said in quick succession is said together. */
export function announce(/** @type {string} */ text) {
  said.push(text);
  clearTimeout(timer);
  timer = setTimeout(() => {
    const more = said.length - 3;
    const last = said.splice(0).slice(-3);
    find("#status").textContent = (more > 0 ? `${more} more. ` : "") + last.join(" ");
  }, 300);
}

/** Shows a sentence that concerns the whole page. */
export function notice(/** @type {string} */ text) {
  line.hidden = false;
  if (line.textContent !== text) line.textContent = text; // or it would be read aloud again
}

/** Takes it away; if a sentence is given, only while that one is shown. */
export function clearNotice(text = line.textContent) {
  if (line.textContent === text) line.hidden = true;
}
