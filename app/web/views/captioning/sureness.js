/** A caption's confidence in words, with the percentage for those who ask for it. */

import { element } from "../../shell/element.js";
import { percent } from "../../shell/percent.js";
import { decoding } from "./decoding.js";

const GOOD = 0.5; // likelier good than not
const WRONG = 0.2; // good in less than one of five

/** What to do with a caption of this confidence. */
export function inWords(/** @type {import("./album.js").Caption} */ { confidence, needs_review }) {
  if (needs_review) return "needs review";
  return confidence >= GOOD ? "likely good" : confidence >= WRONG ? "check it" : "probably wrong";
}

/** The words, a bar, and the percentage, which is shown where `meaning` is open. */
export function sureness(/** @type {import("./album.js").Caption} */ caption) {
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", String(caption.confidence));
  return element("span", { class: "sureness" }, bar, inWords(caption), element("span", { class: "percent" }, ` ${percent(caption.confidence)}`));
}

/** The explanation, folded. */
export function meaning() {
  const figure = element("div");
  const draw = async () => {
    const { reliability } = await import("./reliability.js");
    figure.replaceChildren(reliability(decoding.card));
  };
  decoding.on("changed", () => figure.hasChildNodes() && draw());
  const made = element(
    "details",
    { class: "meaning hint", ontoggle: () => made.open && draw() },
    element("summary", {}, "How sure is it?"),
    element(
      "p",
      {},
      "The percentage is the chance that a caption is as close to what five people say of the picture as good captions are. It was measured on pictures that the network never saw: of 100 captions with 60 %, about 60 were good. From 50 % on it is “likely good”, below 20 % “probably wrong”. The diagram has the figures of the model.",
    ),
    figure,
  );
  return made;
}
