/** The controls of decoding. Moving one asks for the caption again. */

import { check, line, segments, slider } from "../../shell/controls.js";
import { button, element, find } from "../../shell/element.js";
import { modelChoice } from "../../shell/models.js";
import { captionAll } from "./acts.js";
import { album } from "./album.js";
import { decoding } from "./decoding.js";
import { caption } from "./queue.js";

const PAUSE = 250; // milliseconds that a slider rests before the caption is asked for

/** @typedef {import("../../shell/controls.js").SliderOptions & {methods?: string[]}} Options */

/**
 * The parameters' sliders, with the methods that they apply to; all methods, if none is named.
 *
 * @type {Record<string, Options>}
 */
export const SLIDERS = {
  beam_size: { label: "Beam size", min: 1, max: 10, step: 1, hint: "Sentences kept in view at each word.", methods: ["beam"] },
  temperature: { label: "Temperature", min: 0.1, max: 2, step: 0.05, hint: "Lower is safer, higher more varied.", methods: ["sample"] },
  top_k: { label: "Top k", min: 0, max: 100, step: 1, off: 0, hint: "Only among this many likeliest words.", methods: ["sample"] },
  top_p: { label: "Top p", min: 0.05, max: 1, step: 0.05, off: 1, hint: "Only among the likeliest that reach this sum.", methods: ["sample"] },
  num_captions: { label: "Captions", min: 1, max: 10, step: 1, methods: ["beam", "sample"] },
  diversity: { label: "Diversity", min: 0, max: 5, step: 0.1, off: 0, hint: "How strongly each avoids the words of the others.", methods: ["beam"] },
};
/** @type {Record<string, Options>} */
const MORE = {
  length_penalty: { label: "Length penalty", min: 0, max: 2, step: 0.1, off: 0, hint: "More favours longer captions.", methods: ["beam"] },
  min_length: { label: "Fewest words", min: 0, max: 20, step: 1, off: 0 },
  max_length: { label: "Most words", min: 1, max: 40, step: 1 },
  block_ngram: { label: "No run of words twice", min: 0, max: 5, step: 1, off: 0, hint: "So many words in a row." },
};

/** Makes the panel. */
export function panel() {
  let timer = 0;
  const change = (/** @type {Record<string, unknown>} */ values) => {
    const picture = album.selected; // also if another is selected meanwhile
    decoding.set(values);
    clearTimeout(timer);
    timer = setTimeout(() => again(picture), PAUSE);
  };
  const method = segments({
    label: "Method",
    options: [
      ["greedy", "Greedy"],
      ["beam", "Beam"],
      ["sample", "Sampling"],
    ],
    onchange: (value) => change({ method: value }),
  });
  const sliders = Object.fromEntries(
    Object.entries({ ...SLIDERS, ...MORE }).map(([name, options]) => [name, slider({ ...options, onchange: (value) => change({ [name]: value }) })]),
  );
  const prefix = line({
    label: "Begin with",
    placeholder: "two dogs",
    hint: "Words that each caption begins with.",
    onchange: (value) => change({ prefix: value.trim() }),
  });
  const neutral = check({
    label: "Say “person”",
    hint: "Rather than guess at gender or the colour of skin.",
    onchange: (value) => change({ neutral: value }),
  });
  const model = modelChoice((card) => {
    decoding.use(card);
    again();
  });
  /** @type {Record<string, typeof prefix | typeof neutral | typeof sliders[string]>} */
  const controls = { ...sliders, prefix, neutral };
  const shuffle = button(
    "Draw others",
    "again",
    () => {
      decoding.shuffle();
      again();
    },
    "small",
  );
  const reset = button(
    "Defaults",
    "back",
    () => {
      decoding.reset();
      again();
    },
    "small",
  );
  const all = button("", "sheet", captionAll, "small");

  function draw() {
    const { card, values } = decoding;
    node.hidden = !card; // until it is known what there is to choose
    if (!card) return;
    method.value = values.method;
    for (const [name, control] of Object.entries(controls)) {
      const { methods } = SLIDERS[name] ?? MORE[name] ?? {};
      control.node.hidden = methods ? !methods.includes(values.method) : false;
      if (document.activeElement !== control.input) control.value = values[name];
      control.blame("");
    }
    sliders.num_captions.input.max = values.method === "beam" ? values.beam_size : "10";
    sliders.num_captions.value = values.num_captions;
    shuffle.hidden = values.method !== "sample";
    model.node.hidden = decoding.captioners.length < 2;
    model.offer(decoding.captioners);
    model.value = card.id;
    count();
  }

  function count() {
    all.hidden = album.pictures.length < 2;
    find("span", all).textContent = `Use these for all ${album.pictures.length}`;
  }

  function blame(/** @type {import("./album.js").Picture} */ picture) {
    if (picture !== album.selected) return;
    const { field, sentence } = picture.error ?? {};
    for (const [name, control] of Object.entries(controls)) control.blame((name === field && sentence) || "");
  }

  const part = (/** @type {Record<string, Options>} */ names) => Object.keys(names).map((name) => sliders[name].node);
  const node = element(
    "details",
    { class: "panel", open: matchMedia("(min-width: 981px)").matches },
    element("summary", {}, element("h2", {}, "How words are chosen")),
    element(
      "div",
      { class: "controls" },
      model.node,
      method.node,
      ...part(SLIDERS),
      prefix.node,
      neutral.node,
      element("details", { class: "more" }, element("summary", {}, "Length and repetition"), element("div", { class: "controls" }, ...part(MORE))),
      element("p", { class: "actions" }, shuffle, reset, all),
    ),
  );
  decoding.on("changed", draw);
  album.on("added", count);
  album.on("removed", count);
  album.on("changed", blame);
  draw();
  return node;
}

function again(picture = album.selected) {
  if (picture && album.has(picture)) caption([picture], { first: true });
}
