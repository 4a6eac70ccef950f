/** The view of the lab: its figures, one below the other, and links to each. */

import { element, find } from "../../shell/element.js";
import { cellFigure } from "./cell-figure.js";
import { helloFigure } from "./hello-figure.js";
import { studyFigure } from "./study-figure.js";
import { truncationFigure } from "./truncation-figure.js";
import { unrolledFigure } from "./unrolled-figure.js";

/** @type {Record<string, [title: string, make: () => HTMLElement]>} */
const FIGURES = {
  hello: ["“hello”", helloFigure],
  gradients: ["Gradients", unrolledFigure],
  gates: ["Gates", cellFigure],
  truncation: ["Truncation", truncationFigure],
  variants: ["Variants", studyFigure],
};

/** Fills the view, and returns what goes to the figure of an address. */
export function mountLab(/** @type {HTMLElement} */ view) {
  const links = Object.entries(FIGURES).map(([name, [title]]) => element("a", { href: `#lab/${name}` }, title));
  const figures = Object.entries(FIGURES).map(([name, [, make]]) => {
    const made = make();
    made.dataset.figure = name;
    made.tabIndex = -1;
    return made;
  });
  view.append(element("div", { class: "inside lab" }, element("h1", {}, "Small networks to play with"), element("nav", { class: "figure-links", "aria-label": "Figures" }, ...links), ...figures));
  return (/** @type {string} */ place) => {
    if (!FIGURES[place]) return;
    const figure = find(`[data-figure="${place}"]`, view);
    figure.scrollIntoView({ block: "start" });
    figure.focus({ preventScroll: true });
  };
}
