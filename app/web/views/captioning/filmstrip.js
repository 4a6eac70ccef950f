/** The filmstrip: all pictures in a row, each with its state, one of them selected. */

import { element, icon } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { album } from "./album.js";
import { pictures } from "./pictures.js";

/** @typedef {import("./album.js").Picture} Picture */

const STATES = { waiting: "waiting", reading: "being looked at", writing: "being described", done: "done", failed: "failed" };

/** Makes the row of buttons, the first of which adds pictures. */
export function filmstrip() {
  /** @type {Map<Picture, HTMLButtonElement>} */
  const frames = new Map();
  const list = element("ul", { class: "filmstrip", "aria-label": "Pictures" });
  list.append(
    element("li", {}, element("button", { type: "button", class: "frame-add", "aria-label": "Add pictures", onclick: () => choose(pictures) }, icon("add"))),
  );

  function draw(/** @type {Picture} */ picture) {
    const button = frames.get(picture);
    if (!button) return;
    button.dataset.state = picture.state;
    button.setAttribute("aria-label", `${picture.name}, ${STATES[picture.state]}`);
    if (picture.thumbnail && !button.firstChild) {
      button.append(element("img", { src: picture.thumbnail, alt: "", decoding: "async", loading: "lazy" }));
    }
  }

  function add(/** @type {Picture} */ picture) {
    const button = element("button", { type: "button", class: "frame-small", onclick: () => album.select(picture) });
    frames.set(picture, button);
    list.append(element("li", {}, button));
    draw(picture);
  }

  function select(/** @type {Picture | null} */ picture) {
    for (const [other, button] of frames) button.setAttribute("aria-current", String(other === picture));
    if (picture) frames.get(picture)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  album.on("added", add);
  album.on("removed", (picture) => {
    frames.get(picture)?.closest("li")?.remove();
    frames.delete(picture);
  });
  album.on("changed", draw);
  album.on("selected", select);
  for (const picture of album.pictures) add(picture);
  select(album.selected);
  return list;
}
