/** The third view: language models write, and one sees how sure they were of each character. */

import { streamText } from "./api.js";
import { announce } from "./announce.js";
import { choice, slider } from "./controls.js";
import { decoding } from "./decoding.js";
import { element, icon, setIcon } from "./element.js";
import { Failure } from "./failure.js";
import { keys } from "./key.js";
import { Manuscript } from "./manuscript.js";
import { trouble } from "./trouble.js";

const ALTERNATIVES = 5;

/** How texts of the models that come along begin. */
const OPENINGS = { shakespeare: "ROMEO:\n", latex: "\\begin{lemma}\n", "linux-c": "static int " };

const SLIDERS = {
  temperature: { label: "Temperature", min: 0, max: 2, step: 0.05, hint: "0 takes the likeliest each time, more is more daring." },
  top_k: { label: "Top k", min: 0, max: 50, step: 1, off: 0, hint: "Only among this many likeliest." },
  top_p: { label: "Top p", min: 0.05, max: 1, step: 0.05, off: 1, hint: "Only among the likeliest that reach this sum." },
  max_tokens: { label: "Length", min: 20, max: 2000, step: 20 },
};

export function writeView(view) {
  let card = null;
  let control = null; // of the text that is being written
  let branches = []; // {prompt, tokens} of those that were left, the one that is shown among them
  let shown = 0;

  const manuscript = new Manuscript();
  const prompt = element("textarea", { id: "prompt", rows: 3, spellcheck: "false", autocapitalize: "off" });
  const failed = element("div", { role: "alert" });
  const count = element("p", { class: "hint" });
  const button = (text, name, act, kind = "") => element("button", { type: "button", class: kind, onclick: act }, icon(name), element("span", {}, text));
  const write = button("Write", "pen", () => (control ? control.abort() : start(prompt.value, [])), "primary");
  const on = button("Go on", "next", () => start(manuscript.prompt.textContent, manuscript.tokens, shown));
  const back = element("button", { type: "button", class: "icon", "aria-label": "Branch before", onclick: () => turn(-1) }, icon("back"));
  const forth = element("button", { type: "button", class: "icon", "aria-label": "Branch after", onclick: () => turn(1) }, icon("next"));
  const branch = element("span");
  const turns = element("p", { class: "turns", hidden: true }, back, branch, forth);
  const model = choice({ label: "Model", options: [], onchange: (name) => use(cards().find(({ id }) => id === name)) });
  const sliders = {};
  for (const [name, options] of Object.entries(SLIDERS)) sliders[name] = slider({ ...options, onchange: () => {} });

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

  function cards() {
    return decoding.models.filter(({ task }) => task === "text-generation");
  }

  function use(chosen) {
    const opening = OPENINGS[card?.id] ?? "";
    if (prompt.value === opening) prompt.value = OPENINGS[chosen.id] ?? "";
    card = chosen;
    for (const [name, control] of Object.entries(sliders)) control.value = card.generation[name];
  }

  async function load() {
    try {
      failed.replaceChildren();
      await decoding.load();
      if (!cards().length) throw new Failure({ code: "no_model", message: "this server has no language model" });
      model.input.replaceChildren(...cards().map(({ id }) => element("option", { value: id }, id)));
      use(cards().find((one) => one.default) ?? cards()[0]);
      model.value = card.id;
    } catch (error) {
      failed.replaceChildren(trouble(error, { again: load }));
    }
    draw();
  }

  function draw() {
    setIcon(write, control ? "stop" : "pen");
    write.lastChild.textContent = control ? "Stop" : "Write";
    write.disabled = !card;
    on.hidden = control !== null || !manuscript.tokens.length;
    manuscript.text.setAttribute("aria-busy", control !== null);
    turns.hidden = branches.length < 2 || control !== null;
    branch.textContent = `Branch ${shown + 1} of ${branches.length}`;
    back.disabled = shown === 0;
    forth.disabled = shown === branches.length - 1;
  }

  /** Writes on from a prompt and tokens that stand, as a branch of this number; without one, as the first and only. */
  async function start(given, tokens, number = null) {
    if (!card) return;
    const asked = { model: card.id, logprobs: ALTERNATIVES };
    for (const name of Object.keys(SLIDERS)) asked[name] = sliders[name].value;
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
      for await (const piece of streamText({ ...asked, prompt: manuscript.whole }, own.signal)) {
        if (own.signal.aborted) break;
        manuscript.append(read(piece.logprobs));
        const made = manuscript.tokens.length - before;
        count.textContent = `${made} ${card.unit}s, ${Math.round((1000 * made) / (performance.now() - began))} a second`;
      }
    } catch (error) {
      if (error.name !== "AbortError" && control === own) failed.replaceChildren(trouble(error, { again: () => start(given, manuscript.tokens, number) }));
    }
    if (control !== own) return; // another text has begun
    control = null;
    branches[shown] = { prompt: given, tokens: manuscript.tokens };
    announce(own.signal.aborted ? "Stopped." : `Done. ${count.textContent}.`);
    draw();
  }

  function turn(by) {
    shown += by;
    manuscript.begin(branches[shown].prompt, branches[shown].tokens);
    draw();
  }

  manuscript.addEventListener("branch", ({ detail: { place, text } }) => {
    if (control) {
      control.abort();
      branches[shown] = { prompt: manuscript.prompt.textContent, tokens: manuscript.tokens };
    }
    const { top } = manuscript.tokens[place];
    const [, logprob] = top.find(([other]) => other === text);
    const taken = { text, logprob, top, own: true };
    start(manuscript.prompt.textContent, [...manuscript.tokens.slice(0, place), taken], branches.length);
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) write.click();
  });
  keys.addEventListener("entered", load);
  return load();
}

/** Tokens of a piece, with the likeliest in their places first. */
function read({ tokens, token_logprobs, top_logprobs }) {
  return tokens.map((text, place) => {
    const top = Object.entries(top_logprobs[place] ?? {}).sort(([, one], [, other]) => other - one);
    return { text, logprob: token_logprobs[place], top: top.slice(0, ALTERNATIVES), own: false };
  });
}
