/** The view of translation: two panes, the attention between them, and what else was found. */

import { ask, isAbort, json } from "../../shell/api.js";
import { element } from "../../shell/element.js";
import { Failure } from "../../shell/failure.js";
import { modelChoice, models, preferred } from "../../shell/models.js";
import { percent } from "../../shell/percent.js";
import { attempt } from "../../shell/trouble.js";
import { figure } from "../inside/figure.js";
import translation from "../translation.js";
import { matrix, others, words } from "./alignment.js";

const PAUSE = 350; // milliseconds without a key until a text is sent
const MOST = 5; // translations of a text
const SEEN = 1000; // characters that are translated with attention
const PARTNER = 0.2; // attention from which two words are partners

/** @type {Record<string, string>} */
const NAMES = { en: "English", de: "German" };
/** @type {Record<string, string[]>} */
const EXAMPLES = {
  en: ["A dog is running through the snow.", "Two men are playing guitar on a stage.", "A girl in a red dress eats ice cream."],
  de: ["Ein Hund läuft durch den Schnee.", "Zwei Männer spielen auf einer Bühne Gitarre.", "Ein Mädchen in einem roten Kleid isst Eis."],
};

/** @typedef {import("./alignment.js").Word} Word */
/** @typedef {import("../../shell/models.js").Card} Card */
/** @typedef {{text: string, confidence: number, tokens: {text: string, logprob: number, attention?: number[]}[]}} Translation */
/** @typedef {{translations: Translation[], source_tokens?: string[], unknown: string[]}} Result */

/** Fills the view. */
export function mountTranslation(/** @type {HTMLElement} */ view) {
  /** @type {Card | null} */
  let model = null;
  /** @type {AbortController | null} */
  let asking = null;
  /** @type {Result | null} */
  let result = null;
  let shown = 0; // the translation that is shown
  let timer = 0;
  /** @type {Word[]} */
  let source = [];
  /** @type {Word[]} */
  let target = [];
  /** @type {number[][]} */
  let shares = [];

  const text = element("textarea", { id: "translation-text", rows: 4, maxlength: 10000 });
  const read = element("p", { class: "words-read", "aria-hidden": "true" });
  const unknown = element("p", { class: "unknown" });
  const said = element("p", { class: "words-said", role: "group", "aria-label": "The translation, word by word" });
  const whole = element("p", { id: "translation-said", role: "status" });
  const instead = element("div", { class: "instead-of" });
  const list = element("ol", { class: "other-translations", "aria-label": "Translations" });
  const from = element("h2");
  const to = element("h2");
  const examples = element("p", { class: "examples", role: "group", "aria-label": "Examples" });
  const grid = element("table", { class: "attention", "aria-hidden": "true" });
  const chosen = modelChoice((card) => {
    take(card);
    run();
  });
  const attention = figure({
    title: "Where it looked for each word",
    says: "Each row is a word of the translation, each column a word of the text: the deeper, the more of it was seen when the word was written. A network without attention would have to keep the whole sentence in one vector.",
    code: { file: "model/attention.py", line: "alpha = energy.softmax(-1)  # (B, K, P)" },
    table: () => ({
      head: ["word", "mostly from", "share", "then from", "share "],
      rows: target.map(({ text: word }, row) => {
        const [first, second] = ranked(row);
        return [word, source[first].text, percent(shares[row][first]), source[second]?.text ?? "", second === undefined ? "" : percent(shares[row][second])];
      }),
    }),
    body: [element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "The attention" }, grid)],
  });

  function take(/** @type {Card} */ card) {
    const fresh = !model || text.value === "" || Object.values(EXAMPLES).flat().includes(text.value);
    model = card;
    from.textContent = NAMES[card.source] ?? card.source;
    to.textContent = NAMES[card.target] ?? card.target;
    text.lang = card.source;
    said.lang = card.target;
    if (fresh) text.value = EXAMPLES[card.source]?.[0] ?? "";
    examples.replaceChildren(
      ...(EXAMPLES[card.source] ?? []).map((example) => element("button", { type: "button", class: "small", onclick: () => {
        text.value = example;
        run();
      } }, example)),
    );
  }

  async function load() {
    await models.load();
    const cards = models.of(translation.task);
    if (!cards.length) throw new Failure({ code: "no_model", message: "this server has no translator: none comes with Recap yet; recap-train trains one from configs/translation" });
    chosen.offer(cards);
    chosen.node.hidden = cards.length < 2;
    if (!model) take(/** @type {Card} */ (preferred(cards)));
    if (model) chosen.value = model.id;
  }

  const { failed, run } = attempt(async () => {
    await load();
    const own = new AbortController();
    asking?.abort();
    asking = own;
    if (!text.value.trim() || !model) {
      clear();
      return;
    }
    const count = Math.min(MOST, model.decoding.beam_size);
    const body = { text: text.value, model: model.id, num_translations: count, attention: text.value.length <= SEEN };
    try {
      const { results } = await ask("v1/translations", { ...json(body), signal: own.signal });
      result = results[0];
      draw(0);
    } catch (error) {
      if (isAbort(error)) return;
      clear(); // what is there was about another text
      throw error;
    }
  });

  function clear() {
    result = null;
    attention.node.hidden = true;
    for (const part of [read, said, whole, list, instead, unknown]) part.replaceChildren();
  }

  /** Shows a translation, by its number. */
  function draw(/** @type {number} */ number) {
    if (!result) return;
    shown = number;
    const { translations, source_tokens = [] } = result;
    const { text: sentence, confidence, tokens } = translations[number];
    source = words(source_tokens);
    target = words(tokens.map((token) => token.text));
    const weights = tokens.map((token) => token.attention ?? []);
    shares = source.length ? matrix(source, target, weights) : [];
    whole.replaceChildren(sentence, " ", element("small", {}, percent(confidence)));
    read.replaceChildren(...source.map(({ text: word }, place) => element("span", { "data-source": place, class: isUnknown(word) && "strange" }, word)));
    said.replaceChildren(...target.map((word, place) => element("button", { type: "button", "data-target": place, onclick: () => alternatives(place) }, word.text)));
    list.replaceChildren(
      ...translations.map((other, place) => element("li", {}, element("button", { type: "button", class: "link", "aria-current": place === number && "true", onclick: () => draw(place) }, other.text), element("small", {}, percent(other.confidence)))),
    );
    instead.replaceChildren();
    drawUnknown();
    drawGrid();
    attention.update();
  }

  function isUnknown(/** @type {string} */ word) {
    return result?.unknown.includes(word.toLowerCase()) ?? false;
  }

  function drawUnknown() {
    const strange = result?.unknown ?? [];
    const count = text.value.match(/[\p{L}\p{N}'’-]+/gu)?.length ?? 0;
    unknown.replaceChildren(
      ...(strange.length
        ? [element("meter", { min: 0, max: 1, low: 0.05, high: 0.2, optimum: 0, value: strange.length / Math.max(1, count), "aria-label": "Share of words never read in training" }), element("span", {}, `Never read before: ${strange.join(", ")}`)]
        : []),
    );
  }

  function drawGrid() {
    attention.node.hidden = shares.length === 0;
    grid.replaceChildren(
      element("thead", {}, element("tr", {}, element("td"), ...source.map(({ text: word }, place) => element("th", { scope: "col", "data-source": place }, element("span", {}, word))))),
      element(
        "tbody",
        {},
        ...target.map(({ text: word }, row) =>
          element(
            "tr",
            {},
            element("th", { scope: "row", "data-target": row }, word),
            ...shares[row]?.map((share, place) => {
              const cell = element("td", { "data-source": place, "data-target": row, title: `${word} from ${source[place].text}: ${percent(share)}` });
              cell.style.setProperty("--share", `${Math.round(100 * share)}%`);
              return cell;
            }) ?? [],
          ),
        ),
      ),
    );
  }

  /** The source words by their share in a target word, the greatest first. */
  function ranked(/** @type {number} */ row) {
    return shares[row].map((_, place) => place).sort((one, other) => shares[row][other] - shares[row][one]);
  }

  /** Lights a word, its row or column, and its partners on the other side. */
  function light(/** @type {Event} */ event) {
    const at = /** @type {HTMLElement} */ (event.target).closest?.("[data-source], [data-target]");
    const { source: column, target: row } = /** @type {HTMLElement | null} */ (at)?.dataset ?? {};
    for (const made of view.querySelectorAll("[data-source], [data-target]")) {
      const { source: across, target: down } = /** @type {HTMLElement} */ (made).dataset;
      const share = row !== undefined && across !== undefined ? shares[Number(row)]?.[Number(across)] : column !== undefined && down !== undefined ? shares[Number(down)]?.[Number(column)] : 0;
      const same = (row !== undefined && down === row) || (column !== undefined && across === column);
      const isCell = across !== undefined && down !== undefined;
      made.classList.toggle("lit", isCell ? same : same || (share ?? 0) >= PARTNER);
    }
  }

  function alternatives(/** @type {number} */ place) {
    if (!result) return;
    const all = result.translations.map(({ tokens }) => words(tokens.map((token) => token.text)));
    const order = [shown, ...all.map((_, number) => number).filter((number) => number !== shown)];
    const found = others(order.map((number) => all[number]), place);
    const before = target.slice(0, place).map((word) => word.text).join(" ");
    instead.replaceChildren(
      element("p", { class: "hint" }, found.length ? `Instead of “${target[place].text}”${before ? ` after “${before}”` : ""}:` : `None of the ${all.length} best translations has another word in the place of “${target[place].text}” after the same beginning.`),
      element("p", { class: "actions" }, ...found.map(({ text: word, numbers }) => element("button", { type: "button", class: "small", onclick: () => draw(order[numbers[0]]) }, word))),
    );
  }

  for (const name of ["pointerover", "focusin"]) view.addEventListener(name, light);
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(run, PAUSE);
  });
  said.addEventListener("keydown", (event) => {
    const buttons = /** @type {HTMLElement[]} */ ([...said.children]);
    const next = buttons[buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0)];
    if (!next || next === document.activeElement) return;
    event.preventDefault();
    next.focus();
  });
  clear();
  view.append(
    element(
      "div",
      { class: "translate inside" },
      element("h1", {}, "Say it in another language"),
      element("p", { class: "hint" }, "Sentences such as people write of pictures are what it was trained on; of other things it says what it can. Texts go to this server and nowhere else."),
      failed,
      element(
        "div",
        { class: "panes" },
        element("section", { class: "panel", "aria-label": "Text" }, element("div", { class: "pane-head" }, from, chosen.node), element("label", { for: "translation-text", class: "hidden" }, "Text"), text, read, unknown, examples),
        element("section", { class: "panel", "aria-label": "Translation" }, element("div", { class: "pane-head" }, to), whole, said, instead, element("h3", {}, "Said otherwise"), list),
      ),
      attention.node,
    ),
  );
  return run();
}
