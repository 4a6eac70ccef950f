/** Intents: what a sentence asks for, and the part that each of its words has in that. */

import { ask, json } from "../shell/api.js";
import { button, element } from "../shell/element.js";
import { models, preferred } from "../shell/models.js";
import { percent } from "../shell/percent.js";
import { attempt } from "../shell/trouble.js";

const TASK = "text-classification";

/** @typedef {{intent: string, title: string, confidence: number}} Ranked */
/** @typedef {{word: string, known: boolean, effect: number, after: Ranked[]}} Word */
/** @typedef {Ranked & {in_scope: boolean, ranking: Ranked[], explanation?: Word[]}} Result */

/** @type {import("../shell/view.js").View} */
export default {
  title: "Understand",
  hash: "understand",
  icon: "M4 5h16v11H9l-5 4z",
  says: "What a sentence asks for",
  task: TASK,

  mount({ section }) {
    const text = element("textarea", { id: "intent-text", rows: 2, maxlength: 1000, placeholder: "What time is it?" });
    const answer = element("div", { id: "intent-answer", role: "status" });
    const { failed, run } = attempt(async () => {
      answer.replaceChildren(); // which was about another sentence
      await models.load();
      const model = preferred(models.of(TASK))?.id;
      const { results } = await understood({ text: text.value || text.placeholder, model });
      answer.replaceChildren(...shown(results[0]));
    });
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      run();
    });
    const form = element(
      "div",
      { class: "understand" },
      element("h1", {}, "What is asked for?"),
      element("label", { for: "intent-text", class: "hidden" }, "Sentence"),
      text,
      element("p", { class: "actions" }, button("Understand", "M4 5h16v11H9l-5 4z", run, "primary")),
      failed,
      answer,
    );
    section.append(form);
  },

  about: ({ cell, num_layers, hidden_size, threshold }) => ({
    facts: [
      ["Cells", `${num_layers} × ${hidden_size} ${cell}, in both directions`],
      ["In scope from", percent(threshold)],
    ],
    sample: [],
  }),
};

/** The answer to a request, with an explanation unless the sentence is too long for one. */
async function understood(/** @type {{text: string, model?: string}} */ asked) {
  try {
    return await ask("v1/intents", json({ ...asked, explain: true }));
  } catch (error) {
    if (/** @type {import("../shell/failure.js").Failure} */ (error).field !== "explain") throw error;
    return ask("v1/intents", json(asked));
  }
}

/** The parts of an answer: its title, the ranking, and the words with the intent that each of them led to. */
function shown(/** @type {Result} */ { title, confidence, in_scope, ranking, explanation = [] }) {
  return [
    element("h2", {}, title, " ", element("small", {}, percent(confidence))),
    !in_scope && element("p", {}, "This is none of the intents that the model knows. The nearest are:"),
    element("ol", { class: "ranking" }, ...ranking.map(row)),
    explanation.length > 0 && element("ol", { class: "words", "aria-label": "Word by word" }, ...explanation.map(word)),
  ].filter((part) => part !== false);
}

function row(/** @type {Ranked} */ { intent, title, confidence }) {
  const bar = element("meter", { min: 0, max: 1, value: confidence, "aria-label": `${title}: ${percent(confidence)}` });
  return element("li", {}, element("span", {}, title, " ", element("code", {}, intent)), bar, percent(confidence));
}

function word(/** @type {Word} */ { word, known, effect, after }) {
  const mark = element("mark", { class: known ? "" : "strange" }, word);
  mark.style.setProperty("--effect", `${Math.round(100 * Math.min(1, Math.max(0, effect)))}%`);
  return element("li", {}, mark, element("small", {}, after[0].title), element("small", {}, percent(after[0].confidence)));
}
