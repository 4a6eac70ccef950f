/** The filmstrip: all pictures in a row, each with its state, one of them selected. Arrow keys go from one to the next. */

import { element, icon } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { remove } from "./acts.js";
import { album } from "./album.js";
import { pictures } from "./pictures.js";
import { showSoon } from "./thumbnails.js";

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
    if (picture.small && !button.firstChild) {
      const image = element("img", { alt: "", decoding: "async" });
      button.append(image);
      showSoon(image, picture, button);
    }
  }

  function add(/** @type {Picture} */ picture) {
    const button = element("button", {
      type: "button",
      class: "frame-small",
      tabindex: -1,
      onclick: () => album.select(picture),
      onkeydown: (/** @type {KeyboardEvent} */ event) => key(event, picture),
    });
    frames.set(picture, button);
    const after = album.after(picture);
    list.insertBefore(element("li", {}, button), (after && frames.get(after)?.parentNode) || null);
    draw(picture);
  }

  function key(/** @type {KeyboardEvent} */ event, /** @type {Picture} */ picture) {
    const place = album.pictures.indexOf(picture);
    const last = album.pictures.length - 1;
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: last, Delete: place }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (event.key === "Delete") remove([picture]);
    else album.select(album.pictures[Math.min(last, Math.max(0, to))]);
    const next = album.selected && frames.get(album.selected);
    (next ?? /** @type {HTMLElement} */ (list.querySelector("button"))).focus();
  }

  function select(/** @type {Picture | null} */ picture) {
    for (const [other, button] of frames) {
      button.setAttribute("aria-current", String(other === picture));
      button.tabIndex = other === picture ? 0 : -1; // one stop of the tab key, however many pictures there are
    }
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
