/** The view of intents: a sentence and its answer as one types, its words, the threshold, all intents, and lists. */

import { ask, isAbort, json } from "../../shell/api.js";
import { element } from "../../shell/element.js";
import { models, preferred } from "../../shell/models.js";
import { percent } from "../../shell/percent.js";
import { attempt } from "../../shell/trouble.js";
import intents from "../intents.js";
import { listing } from "./listing.js";
import { everyIntent } from "./map.js";
import { thresholdFigure } from "./threshold.js";
import { wordFigure } from "./words.js";

const PAUSE = 120; // milliseconds without a key until a sentence is sent
const EVERY = 1000; // intents of a ranking: all that there are
const TOLD = 5;
const EXAMPLES = ["What time is it?", "how do i get a new bank card to replace my lost one", "will i need an umbrella tomorrow", "who won the war of the roses"];

/** @typedef {{intent: string, title: string, confidence: number}} Ranked */
/** @typedef {{word: string, known: boolean, effect: number, after: Ranked[]}} Word */
/** @typedef {Ranked & {in_scope: boolean, ranking: Ranked[]}} Result */

/** Fills the view. */
export function mountIntents(/** @type {HTMLElement} */ view) {
  /** @type {AbortController | null} */
  let asking = null;
  /** @type {Result | null} */
  let result = null;
  let timer = 0;
  let model = "";

  const text = element("textarea", { id: "intent-text", rows: 2, maxlength: 1000 });
  text.value = EXAMPLES[0];
  const answer = element("div", { id: "intent-answer", role: "status" });
  const words = wordFigure();
  const threshold = thresholdFigure(() => result && draw(result));
  const map = everyIntent();
  const list = listing(async (texts) => (await ask("v1/intents", json({ text: texts, model: await load() }))).results, () => threshold.value);
  const { failed, run } = attempt(async () => {
    const own = new AbortController();
    asking?.abort();
    asking = own;
    try {
      const asked = { text: text.value, model: await load() };
      const { results, timing_ms } = await ask("v1/intents", { ...json({ ...asked, top_k: EVERY }), signal: own.signal });
      result = results[0];
      draw(results[0], timing_ms);
      words.show(await explained(asked, own.signal), results[0].ranking[0].intent);
    } catch (error) {
      if (isAbort(error)) return;
      result = null;
      answer.replaceChildren(); // which was about another sentence
      words.show([], "");
      throw error;
    }
  });

  async function load() {
    await models.load();
    const card = preferred(models.of(intents.task));
    if (card && card.id !== model) {
      model = card.id;
      threshold.use(card);
    }
    return card?.id;
  }

  function draw(/** @type {Result} */ { ranking }, took = 0) {
    const [best] = ranking;
    const known = best.confidence >= threshold.value;
    answer.replaceChildren(
      element("h2", { class: known ? "" : "outside" }, known ? best.title : "Outside what I know", " ", element("small", {}, known ? percent(best.confidence) : `nearest: ${best.title}, ${percent(best.confidence)}`)),
      known ? "" : element("p", {}, "This is none of the intents that the model knows. The nearest are:"),
      element("ol", { class: "ranking" }, ...ranking.slice(0, TOLD).map(row)),
      element("p", { class: "hint" }, took ? `Answered in ${Math.max(1, Math.round(took))} ms.` : ""),
    );
    threshold.mark(best.confidence);
    map.show(ranking);
  }

  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(run, PAUSE);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    clearTimeout(timer);
    run();
  });
  const examples = EXAMPLES.map((example) =>
    element("button", { type: "button", class: "small", onclick: () => {
      text.value = example;
      run();
    } }, example),
  );
  view.append(
    element(
      "div",
      { class: "understand inside" },
      element(
        "section",
        { class: "asked", "aria-label": "A sentence" },
        element("h1", {}, "What is asked for?"),
        element("p", { class: "hint" }, "One of 150 requests to an assistant, in English, or none of them. It was trained on CLINC150, and finds no names or times in a sentence."),
        element("label", { for: "intent-text", class: "hidden" }, "Sentence"),
        text,
        element("p", { class: "examples", role: "group", "aria-label": "Examples" }, ...examples),
        failed,
        answer,
      ),
      words.node,
      threshold.node,
      map.node,
      list,
    ),
  );
  return run();
}

/**
 * The words of a sentence with their effects; none of a sentence that is too long for that.
 *
 * @returns {Promise<Word[]>}
 */
async function explained(/** @type {{text: string, model?: string}} */ asked, /** @type {AbortSignal} */ signal) {
  try {
    return (await ask("v1/intents", { ...json({ ...asked, explain: true }), signal })).results[0].explanation;
  } catch (error) {
    if (/** @type {import("../../shell/failure.js").Failure} */ (error).field !== "explain") throw error;
    return [];
  }
}

function row(/** @type {Ranked} */ { intent, title, confidence }) {
  const bar = element("meter", { min: 0, max: 1, value: confidence, "aria-label": `${title}: ${percent(confidence)}` });
  return element("li", {}, element("span", {}, title, " ", element("code", {}, intent)), bar, element("span", {}, percent(confidence)));
}
