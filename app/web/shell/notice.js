/** The line above all views, for what concerns the whole page. */

import { find } from "./element.js";

const line = find("#notice");

/** Shows a sentence there. */
export function notice(/** @type {string} */ text) {
  line.hidden = false;
  line.textContent = text;
}

/** Takes it away; if a sentence is given, only while that one is shown. */
export function clearNotice(text = line.textContent) {
  if (line.textContent === text) line.hidden = true;
}
