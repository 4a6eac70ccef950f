/** Lab: small networks that run in the page itself, to be played with. */

import { loadStyles } from "../shell/styles.js";
import { INSIDE } from "./groups.js";

let go = (/** @type {string} */ _place) => {};

/** @type {import("../shell/view.js").View} */
export default {
  title: "Lab",
  hash: "lab",
  icon: "M9 3h6M10 3v6L4.500 18.500A1.800 1.800 0 0 0 6 21h12a1.800 1.800 0 0 0 1.500-2.500L14 9V3M7.500 15h9",
  says: "Small networks to play with",
  group: INSIDE,

  async mount({ section }) {
    const [{ mountLab }] = await Promise.all([import("./lab/page.js"), loadStyles("views/lab/lab.css")]);
    go = mountLab(section);
  },

  /** Goes to the figure of the address. */
  arrive: (place) => go(place),
};
