/** The search for the last caption: its tree of hypotheses, and where the time went. */

import { element } from "../../shell/element.js";
import { album } from "./album.js";
import { beamTree } from "./beam-tree.js";
import { filmstrip } from "./filmstrip.js";
import { asText } from "./formats.js";

const STAGES = { queue: "waiting", decode: "reading the picture", encode: "looking", generate: "finding words" };

/** Makes the panel in "Look inside", which follows the picture that is selected. */
export function searchPanel() {
  const search = element("section", { class: "panel search-told", "aria-labelledby": "search-title" });
  /** @type {import("./album.js").Answer | undefined} */
  let drawn;
  const strip = filmstrip();

  function draw() {
    const picture = album.selected;
    const answer = picture?.answer ?? undefined;
    if (drawn && drawn === answer) return;
    drawn = answer;
    const title = element("h2", { id: "search-title" }, "How the last caption was found");
    if (!picture || !answer) {
      search.replaceChildren(title, element("p", { class: "hint" }, "Caption a picture, and its search is drawn here: every beginning of a sentence that was kept in view, and which of them lived. ", element("a", { href: "#caption" }, "Caption one.")));
      return;
    }
    const head = element("div", { class: "last" }, picture.thumbnail && element("img", { src: picture.thumbnail, alt: picture.name }), element("p", {}, asText(picture)));
    search.replaceChildren(title, strip, head, ...drawTree(answer.tree), drawTime(answer.timing_ms));
  }

  function drawTree(/** @type {import("./album.js").Answer["tree"]} */ tree) {
    if (!tree) return [element("p", { class: "hint" }, "Samples are drawn one by one, so there is no tree. With Beam, under “How words are chosen”, there is one.")];
    const legend = element(
      "p",
      { class: "legend hint" },
      element("span", { class: "key best" }, "the caption"),
      element("span", { class: "key caption" }, "other captions"),
      element("span", { class: "key lived" }, "went on"),
      element("span", { class: "key died" }, "dropped"),
      element("span", {}, "■ ended"),
    );
    return [legend, beamTree(tree)];
  }

  function drawTime(/** @type {Record<string, number>} */ timing) {
    const parts = Object.entries(STAGES).map(([name, label]) => {
      const part = element("div", { class: `part ${name}`, title: `${label}: ${timing[name]} ms` });
      part.style.flexGrow = String(Math.max(timing[name], 0.001));
      return part;
    });
    const spoken = Object.entries(STAGES).map(([name, label]) => `${Math.round(timing[name])} ms ${label}`);
    return element("div", { class: "time" }, element("div", { class: "parts", "aria-hidden": "true" }, ...parts), element("p", { class: "hint" }, `${Math.round(timing.total)} ms in all: ${spoken.join(", ")}.`));
  }

  album.on("selected", draw);
  album.on("changed", (picture) => picture === album.selected && draw());
  draw();
  return search;
}
