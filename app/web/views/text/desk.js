/** The desk: a prompt, the text that goes on from it, and the texts that were written before. */

import { isAbort, json, stream } from "../../shell/api.js";
import { line, slider } from "../../shell/controls.js";
import { button, element, find, icon, setIcon } from "../../shell/element.js";
import { Failure } from "../../shell/failure.js";
import { announce } from "../../shell/messages.js";
import { modelChoice, models, preferred } from "../../shell/models.js";
import { copy, save } from "../../shell/saving.js";
import { store } from "../../shell/store.js";
import { attempt, trouble } from "../../shell/trouble.js";
import text from "../text.js";
import { Manuscript } from "./manuscript.js";

const ALTERNATIVES = 5;
const MOST = 20; // texts that are kept; the oldest makes room

/** @typedef {import("./manuscript.js").Token} Token */
/** @typedef {{prompt: string, tokens: Token[], seed?: number}} Text */

/**
 * The first prompts of the models that Recap comes with.
 *
 * @type {Record<string, string>}
 */
const OPENINGS = { shakespeare: "ROMEO:\n", latex: "\\begin{lemma}\n", "linux-c": "static int " };

/** @type {Record<string, import("../../shell/controls.js").SliderOptions>} */
const SLIDERS = {
  temperature: { label: "Temperature", min: 0, max: 2, step: 0.05, hint: "0 takes the likeliest each time, more is more daring." },
  top_k: { label: "Top k", min: 0, max: 50, step: 1, off: 0, hint: "Only among this many likeliest." },
  top_p: { label: "Top p", min: 0.05, max: 1, step: 0.05, off: 1, hint: "Only among the likeliest that reach this sum." },
  max_tokens: { label: "Length", min: 20, max: 2000, step: 20 },
};

/** Fills the view. */
export function mountDesk(/** @type {HTMLElement} */ view) {
  /** @type {import("../../shell/models.js").Card | null} */
  let card = null;
  /** @type {AbortController | null} */
  let control = null; // of the text that is being written
  /** @type {Text[]} */
  let texts = [];
  let shown = 0;

  const manuscript = new Manuscript();
  const prompt = element("textarea", { id: "prompt", rows: 3, spellcheck: "false", autocapitalize: "off" });
  const { failed, run } = attempt(load);
  const count = element("span");
  const again = element("button", { type: "button", class: "link", hidden: true, onclick: () => hold() }, "");
  const unseen = element("p", { class: "hint unseen", role: "status", hidden: true });
  const write = button("Write", "pen", () => (control ? control.abort() : start(prompt.value, [])), "primary");
  const on = button("Go on", "next", () => start(manuscript.prompt.textContent, manuscript.tokens, shown));
  const copied = button("Copy", "copy", () => copy("Text", manuscript.whole, () => getSelection()?.selectAllChildren(manuscript.text)), "small");
  const saved = button("Save", "save", () => save(manuscript.whole, "text.txt", "text/plain"), "small");
  const back = element("button", { type: "button", class: "icon", "aria-label": "Text before", onclick: () => turn(-1) }, icon("back"));
  const forth = element("button", { type: "button", class: "icon", "aria-label": "Text after", onclick: () => turn(1) }, icon("next"));
  const branch = element("span");
  const turns = element("p", { class: "turns", hidden: true }, back, branch, forth);
  const model = modelChoice(use);
  const seed = line({ label: "Seed", placeholder: "another each time", hint: "A number: the same one draws the same text.", onchange: keep });
  seed.input.inputMode = "numeric";
  const sliders = Object.fromEntries(Object.entries(SLIDERS).map(([name, options]) => [name, slider({ ...options, onchange: keep })]));

  view.append(
    element(
      "div",
      { class: "write" },
      element(
        "div",
        { class: "desk" },
        element("h1", {}, "How will it go on?"),
        element("label", { for: "prompt", class: "hidden" }, "Prompt"),
        prompt,
        unseen,
        element("p", { class: "actions" }, write, on, turns),
        failed,
        manuscript.node,
        element("div", { class: "hint wrote" }, copied, saved, count, again),
        element(
          "p",
          { class: "hint", id: "text-keys" },
          element("span", { class: "scale", "aria-hidden": "true" }),
          "The deeper the shade, the less likely the model held that character. Point at one for the five likeliest in its place; click one of them, and the text goes on from there. With keys: ← and → go from one to the next, Enter goes to the five.",
        ),
      ),
      element("div", { class: "panel controls" }, model.node, ...Object.values(sliders).map(({ node }) => node), seed.node),
    ),
  );

  function use(/** @type {import("../../shell/models.js").Card} */ chosen) {
    const opening = (card && OPENINGS[card.id]) ?? "";
    if (prompt.value === opening) prompt.value = OPENINGS[chosen.id] ?? "";
    card = chosen;
    for (const [name, control] of Object.entries(sliders)) control.value = card.generation[name];
    tellUnknown();
  }

  /** The characters of a text that the model has never seen, and reads all alike. */
  function unknown(/** @type {string} */ text) {
    const known = new Set(card?.characters ?? text);
    return new Set([...text].filter((character) => !known.has(character)));
  }

  function tellUnknown() {
    const found = [...unknown(prompt.value)];
    unseen.hidden = !found.length;
    unseen.textContent = found.length ? `${card?.id} has never seen ${found.join(" ")}: it reads ${found.length === 1 ? "this" : "each of them"} as “something unknown”.` : "";
  }

  async function load() {
    await models.load();
    const cards = models.of(text.task);
    if (!cards.length) throw new Failure({ code: "no_model", message: "this server has no language model" });
    model.offer(cards);
    await store.ready;
    const kept = store.notes.text;
    const first = cards.find(({ id }) => id === kept?.model) ?? preferred(cards);
    use(first);
    model.value = first.id;
    if (kept?.model === first.id) recall(kept);
    draw();
  }

  /** Keeps the texts and how they are written, for another visit. */
  function keep() {
    if (card) store.note("text", { model: card.id, prompt: prompt.value, values: values(), seed: seed.value, texts, shown });
  }

  function recall(/** @type {any} */ kept) {
    prompt.value = kept.prompt;
    for (const [name, value] of Object.entries(kept.values)) sliders[name].value = value;
    seed.value = kept.seed ?? "";
    ({ texts = [], shown } = kept);
    if (texts[shown]) show();
    tellUnknown();
  }

  function show() {
    const { prompt: given, tokens } = texts[shown];
    manuscript.begin(given, tokens, unknown(given));
  }

  /** The seed of the next text: the one that is held, else any. */
  function nextSeed() {
    const held = seed.value.trim();
    return /^\d{1,15}$/.test(held) ? Number(held) : Math.floor(Math.random() * 2 ** 31);
  }

  /** Holds the seed of the text that is shown, so that it can be drawn again. */
  function hold() {
    seed.value = String(texts[shown].seed);
    keep();
    draw();
    seed.input.focus();
  }

  function values() {
    return Object.fromEntries(Object.entries(sliders).map(([name, { value }]) => [name, value]));
  }

  function draw() {
    setIcon(write, control ? "stop" : "pen");
    find("span", write).textContent = control ? "Stop" : "Write";
    write.disabled = !card;
    on.hidden = control !== null || !manuscript.tokens.length;
    manuscript.text.setAttribute("aria-busy", String(control !== null));
    copied.hidden = saved.hidden = control !== null || !manuscript.tokens.length;
    turns.hidden = texts.length < 2 || control !== null;
    branch.textContent = `Text ${shown + 1} of ${texts.length}`;
    back.disabled = shown === 0;
    forth.disabled = shown === texts.length - 1;
    const drawn = texts[shown]?.seed;
    again.hidden = control !== null || drawn === undefined || String(drawn) === seed.value;
    again.textContent = `Hold its seed, ${drawn}`;
  }

  /** Continues a prompt and its tokens, as the text of this number; without one, as a new text behind all others. */
  async function start(/** @type {string} */ given, /** @type {Token[]} */ tokens, /** @type {number | null} */ number = null) {
    if (!card) return;
    const drawn = nextSeed();
    const asked = { model: card.id, logprobs: ALTERNATIVES, seed: drawn, ...values() };
    const by = card.id;
    const own = new AbortController();
    control?.abort();
    control = own;
    failed.replaceChildren();
    manuscript.begin(given, [...tokens], unknown(given));
    if (number === null) texts = texts.filter(({ tokens }) => tokens.length).slice(1 - MOST);
    shown = number ?? texts.length;
    texts[shown] = { prompt: given, tokens, seed: drawn };
    const began = performance.now();
    const before = tokens.length;
    draw();
    announce("Writing.");
    try {
      const options = { ...json({ ...asked, prompt: manuscript.whole, stream: true }), signal: own.signal };
      for await (const { data } of stream("v1/completions", options)) {
        if (own.signal.aborted) break;
        manuscript.append(read(data.choices[0].logprobs, by));
        const made = manuscript.tokens.length - before;
        texts[shown] = { prompt: given, tokens: manuscript.tokens, seed: drawn };
        keep();
        count.textContent = `${made} ${card.unit}s, ${Math.round((1000 * made) / (performance.now() - began))} a second`;
      }
    } catch (error) {
      if (!isAbort(error) && control === own) failed.replaceChildren(trouble(/** @type {Failure} */ (error), { again: () => start(given, manuscript.tokens, number) }));
    }
    if (control !== own) return; // another text has begun
    control = null;
    texts[shown] = { prompt: given, tokens: manuscript.tokens, seed: drawn };
    keep();
    announce(own.signal.aborted ? "Stopped." : `Done. ${count.textContent}.`);
    draw();
  }

  function turn(/** @type {number} */ by) {
    shown += by;
    count.textContent = "";
    show();
    keep();
    draw();
  }

  manuscript.on("branch", ({ place, text }) => {
    if (control) {
      control.abort();
      texts[shown].tokens = manuscript.tokens;
    }
    const { top, model: by } = manuscript.tokens[place];
    const logprob = Object.fromEntries(top)[text];
    const taken = { text, logprob, top, own: true, model: by };
    start(manuscript.prompt.textContent, [...manuscript.tokens.slice(0, place), taken]);
  });
  prompt.addEventListener("input", () => {
    tellUnknown();
    keep();
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) write.click();
  });
  draw();
  return run();
}

/**
 * The tokens of a piece of the stream, each with its alternatives, the likeliest first.
 *
 * @param {{tokens: string[], token_logprobs: number[], top_logprobs: Record<string, number>[]}} piece
 * @param {string} model
 * @returns {Token[]}
 */
function read({ tokens, token_logprobs, top_logprobs }, model) {
  return tokens.map((text, place) => {
    const top = Object.entries(top_logprobs[place] ?? {}).sort(([, one], [, other]) => other - one);
    return { text, logprob: token_logprobs[place], top: top.slice(0, ALTERNATIVES), own: false, model };
  });
}
