/** The things that the network sees in a picture, as chips with their confidence. */

import { element } from "../../shell/element.js";
import { percent } from "../../shell/percent.js";

/** @typedef {{name: string, confidence: number}} Tag */

/** A list for chips, which is hidden while it is empty. */
export function tagList() {
  return element("ul", { class: "tags", "aria-label": "Things in the picture, with their confidence", hidden: true });
}

/** Fills a list of chips. */
export function showTags(/** @type {HTMLElement} */ list, /** @type {Tag[]} */ tags) {
  list.hidden = !tags.length;
  list.replaceChildren(...tags.map(({ name, confidence }) => element("li", {}, name, " ", element("span", { class: "share" }, percent(confidence)))));
}
