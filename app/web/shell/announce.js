/** Says something to those who hear the page; what is said in quick succession is said together. */

import { find } from "./element.js";

/** @type {string[]} */
const said = [];
let timer = 0;

export function announce(/** @type {string} */ text) {
  said.push(text);
  clearTimeout(timer);
  timer = setTimeout(() => {
    const more = said.length - 3;
    const last = said.splice(0).slice(-3);
    find("#status").textContent = (more > 0 ? `${more} more. ` : "") + last.join(" ");
  }, 300);
}
