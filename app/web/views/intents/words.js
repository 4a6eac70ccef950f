/** A sentence word by word: what it seemed to ask for after each, and what each has to do with the answer. */

import { element } from "../../shell/element.js";
import { percent } from "../../shell/percent.js";
import { figure } from "../inside/figure.js";

const BARS = 3; // of each word

/** @typedef {import("./page.js").Word} Word */

/** The figure: `show` draws words, whose last ranking begins with an intent. */
export function wordFigure() {
  /** @type {Word[]} */
  let drawn = [];
  const list = element("ol", { class: "words", "aria-label": "Word by word" });
  const made = figure({
    title: "Word by word",
    says: "Below each word stand the likeliest intents of the sentence up to there: see at which word it is decided. The deeper a word's shade, the more the answer owes to it; a dotted line is under words never seen in training.",
    code: { file: "model/tasks/intents/explanation.py", line: "begun = [Sentence(whole.words[:end], whole.spellings[:end]) for end in range(1, size + 1)]" },
    table: () => ({
      head: ["word", "effect", "likeliest after it", "probability", "second", "probability "],
      rows: drawn.map(({ word, effect, after: [first, second] }) => [word, effect, first.title, first.confidence, second?.title ?? "", second?.confidence ?? ""]),
    }),
    body: [list],
  });
  return {
    node: made.node,
    show(/** @type {Word[]} */ words, /** @type {string} */ decided) {
      drawn = words;
      made.node.hidden = words.length === 0;
      list.replaceChildren(...words.map((word) => column(word, decided)));
      made.update();
    },
  };
}

function column(/** @type {Word} */ { word, known, effect, after }, /** @type {string} */ decided) {
  const mark = element("mark", { class: known ? "" : "strange" }, word);
  mark.style.setProperty("--effect", `${Math.round(100 * Math.min(1, Math.max(0, effect)))}%`);
  const bars = after.slice(0, BARS).map(({ intent, title, confidence }) => {
    const bar = element("span", { class: `word-bar${intent === decided ? " decided" : ""}` }, element("span", {}, title), element("small", {}, percent(confidence)));
    bar.style.setProperty("--share", percent(confidence).replace(" ", ""));
    return element("li", {}, bar);
  });
  return element("li", {}, mark, element("ol", {}, ...bars));
}
