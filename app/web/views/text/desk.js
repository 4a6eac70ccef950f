/** The desk: a prompt, the text that goes on from it, and the text's branches. */

import { isAbort, json, stream } from "../../shell/api.js";
import { slider } from "../../shell/controls.js";
import { button, element, find, icon, setIcon } from "../../shell/element.js";
import { Failure } from "../../shell/failure.js";
import { announce } from "../../shell/messages.js";
import { modelChoice, models, preferred } from "../../shell/models.js";
import { store } from "../../shell/store.js";
import { attempt, trouble } from "../../shell/trouble.js";
import text from "../text.js";
import { Manuscript } from "./manuscript.js";

const ALTERNATIVES = 5;

/** @typedef {import("./manuscript.js").Token} Token */

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
  /** @type {{prompt: string, tokens: Token[]}[]} */
  let branches = [];
  let shown = 0;

  const manuscript = new Manuscript();
  const prompt = element("textarea", { id: "prompt", rows: 3, spellcheck: "false", autocapitalize: "off" });
  const { failed, run } = attempt(load);
  const count = element("p", { class: "hint" });
  const write = button("Write", "pen", () => (control ? control.abort() : start(prompt.value, [])), "primary");
  const on = button("Go on", "next", () => start(manuscript.prompt.textContent, manuscript.tokens, shown));
  const back = element("button", { type: "button", class: "icon", "aria-label": "Branch before", onclick: () => turn(-1) }, icon("back"));
  const forth = element("button", { type: "button", class: "icon", "aria-label": "Branch after", onclick: () => turn(1) }, icon("next"));
  const branch = element("span");
  const turns = element("p", { class: "turns", hidden: true }, back, branch, forth);
  const model = modelChoice(use);
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
        element("p", { class: "actions" }, write, on, turns),
        failed,
        manuscript.node,
        count,
        element(
          "p",
          { class: "hint", id: "text-keys" },
          element("span", { class: "scale", "aria-hidden": "true" }),
          "The deeper the shade, the less likely the model held that character. Point at one for the five likeliest in its place; click one of them, and the text goes on from there. With keys: ← and → go from one to the next, Enter goes to the five.",
        ),
      ),
      element("div", { class: "panel controls" }, model.node, ...Object.values(sliders).map(({ node }) => node)),
    ),
  );

  function use(/** @type {import("../../shell/models.js").Card} */ chosen) {
    const opening = (card && OPENINGS[card.id]) ?? "";
    if (prompt.value === opening) prompt.value = OPENINGS[chosen.id] ?? "";
    card = chosen;
    for (const [name, control] of Object.entries(sliders)) control.value = card.generation[name];
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
    if (card) store.note("text", { model: card.id, prompt: prompt.value, values: values(), branches, shown });
  }

  function recall(/** @type {any} */ kept) {
    prompt.value = kept.prompt;
    for (const [name, value] of Object.entries(kept.values)) sliders[name].value = value;
    ({ branches, shown } = kept);
    if (branches[shown]) manuscript.begin(branches[shown].prompt, branches[shown].tokens);
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
    turns.hidden = branches.length < 2 || control !== null;
    branch.textContent = `Branch ${shown + 1} of ${branches.length}`;
    back.disabled = shown === 0;
    forth.disabled = shown === branches.length - 1;
  }

  /** Continues a prompt and its tokens, as the branch of this number; without one, as the first and only branch. */
  async function start(/** @type {string} */ given, /** @type {Token[]} */ tokens, /** @type {number | null} */ number = null) {
    if (!card) return;
    const asked = { model: card.id, logprobs: ALTERNATIVES, ...values() };
    const own = new AbortController();
    control?.abort();
    control = own;
    failed.replaceChildren();
    manuscript.begin(given, [...tokens]);
    if (number === null) branches = [];
    shown = number ?? 0;
    branches[shown] = { prompt: given, tokens };
    const began = performance.now();
    const before = tokens.length;
    draw();
    announce("Writing.");
    try {
      const options = { ...json({ ...asked, prompt: manuscript.whole, stream: true }), signal: own.signal };
      for await (const { data } of stream("v1/completions", options)) {
        if (own.signal.aborted) break;
        manuscript.append(read(data.choices[0].logprobs));
        const made = manuscript.tokens.length - before;
        branches[shown] = { prompt: given, tokens: manuscript.tokens };
        keep();
        count.textContent = `${made} ${card.unit}s, ${Math.round((1000 * made) / (performance.now() - began))} a second`;
      }
    } catch (error) {
      if (!isAbort(error) && control === own) failed.replaceChildren(trouble(/** @type {Failure} */ (error), { again: () => start(given, manuscript.tokens, number) }));
    }
    if (control !== own) return; // another text has begun
    control = null;
    branches[shown] = { prompt: given, tokens: manuscript.tokens };
    keep();
    announce(own.signal.aborted ? "Stopped." : `Done. ${count.textContent}.`);
    draw();
  }

  function turn(/** @type {number} */ by) {
    shown += by;
    manuscript.begin(branches[shown].prompt, branches[shown].tokens);
    keep();
    draw();
  }

  manuscript.on("branch", ({ place, text }) => {
    if (control) {
      control.abort();
      branches[shown] = { prompt: manuscript.prompt.textContent, tokens: manuscript.tokens };
    }
    const { top } = manuscript.tokens[place];
    const logprob = Object.fromEntries(top)[text];
    const taken = { text, logprob, top, own: true };
    start(manuscript.prompt.textContent, [...manuscript.tokens.slice(0, place), taken], branches.length);
  });
  prompt.addEventListener("input", keep);
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) write.click();
  });
  draw();
  return run();
}

/** The tokens of a piece of the stream, each with its alternatives, the likeliest first. */
/** @returns {Token[]} */
function read(/** @type {{tokens: string[], token_logprobs: number[], top_logprobs: Record<string, number>[]}} */ { tokens, token_logprobs, top_logprobs }) {
  return tokens.map((text, place) => {
    const top = Object.entries(top_logprobs[place] ?? {}).sort(([, one], [, other]) => other - one);
    return { text, logprob: token_logprobs[place], top: top.slice(0, ALTERNATIVES), own: false };
  });
}
