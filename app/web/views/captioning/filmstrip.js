/** All pictures in a row, each with its state; one is chosen. */

import { album } from "./album.js";
import { element, icon } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { pictures } from "./pictures.js";

const STATES = { waiting: "waiting", reading: "being looked at", writing: "being described", done: "done", failed: "failed" };

/** A row of buttons, the first of which adds pictures. */
export function filmstrip() {
  const frames = new Map(); // picture -> button
  const list = element("ul", { class: "filmstrip", "aria-label": "Pictures" });
  list.append(
    element("li", {}, element("button", { type: "button", class: "frame-add", "aria-label": "Add pictures", onclick: () => choose(pictures) }, icon("add"))),
  );

  function draw(picture) {
    const button = frames.get(picture);
    if (!button) return;
    button.dataset.state = picture.state;
    button.setAttribute("aria-label", `${picture.name}, ${STATES[picture.state]}`);
    if (picture.thumbnail && !button.firstChild) {
      button.append(element("img", { src: picture.thumbnail, alt: "", decoding: "async", loading: "lazy" }));
    }
  }

  album.addEventListener("added", ({ detail: picture }) => {
    const button = element("button", { type: "button", class: "frame-small", onclick: () => album.select(picture) });
    frames.set(picture, button);
    list.append(element("li", {}, button));
    draw(picture);
  });
  album.addEventListener("removed", ({ detail: picture }) => {
    frames.get(picture)?.parentNode.remove();
    frames.delete(picture);
  });
  album.addEventListener("changed", ({ detail: picture }) => draw(picture));
  album.addEventListener("selected", ({ detail: picture }) => {
    for (const [other, button] of frames) button.setAttribute("aria-current", other === picture);
    frames.get(picture)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  return list;
}
