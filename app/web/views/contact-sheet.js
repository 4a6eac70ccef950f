/** The contact sheet: all pictures side by side, with captions to read, edit and take along. */

import { element } from "../shell/element.js";
import { album } from "./captioning/album.js";
import { pictures } from "./captioning/pictures.js";

let go = (/** @type {string} */ _place) => {};

/** @type {import("../shell/view.js").View} */
export default {
  title: "Batch",
  hash: "many",
  icon: "sheet",
  says: "Many pictures: review, alt texts, export",
  files: pictures,

  async mount({ section }) {
    const { mountSheet } = await import("./captioning/sheet.js");
    go = mountSheet(section);
  },

  arrive: (place) => go(place),

  /** Counts the pictures beside the link. */
  start({ link }) {
    const count = element("span", { class: "count", id: "count", hidden: true });
    const draw = () => {
      count.hidden = album.pictures.length === 0;
      count.textContent = String(album.pictures.length);
    };
    link.append(count);
    album.on("added", draw);
    album.on("removed", draw);
  },
};
