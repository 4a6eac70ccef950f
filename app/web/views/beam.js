/** Beam: how sentences were searched for. */

import { element } from "../shell/element.js";
import { INSIDE } from "./groups.js";

/** @type {import("../shell/view.js").View} */
export default {
  title: "Beam",
  hash: "beam",
  icon: "tree",
  says: "The search for a caption, step by step",
  group: INSIDE,

  /** Has a panel of each view that makes one. */
  async mount({ section }) {
    const { VIEWS } = await import("./index.js");
    const panels = await Promise.all(VIEWS.flatMap(({ inside }) => inside?.() ?? []));
    section.append(element("div", { class: "inside" }, element("h1", {}, "How it searched"), ...panels));
  },
};
