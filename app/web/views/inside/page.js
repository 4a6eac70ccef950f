/** The fourth view: how the last caption was searched for, and what is known of the models. */

import { album } from "./album.js";
import { beamTree } from "./beamtree.js";
import { choice } from "./controls.js";
import { decoding } from "./decoding.js";
import { element } from "./element.js";
import { asText } from "./forms.js";
import { keys } from "./key.js";
import { markdown } from "./markdown.js";
import { trouble } from "./trouble.js";

/** Figures by their names in metrics.json: how they are called, and of what they are. */
const FIGURES = {
  "BLEU-1": "BLEU-1",
  "BLEU-4": "BLEU-4",
  METEOR: "METEOR",
  "ROUGE-L": "ROUGE-L",
  CIDEr: "CIDEr",
  SPICE: "SPICE",
  bits_per_character: "bits a character",
  nats_per_character: "nats a character",
  perplexity: "perplexity",
};
const STAGES = { queue: "waiting", decode: "reading the picture", encode: "looking", generate: "finding words" };

export function insideView(view) {
  const search = element("section", { class: "panel search-told", "aria-labelledby": "search-title" });
  const facts = element("div", { class: "facts" });
  const model = choice({ label: "Model", options: [], onchange: (name) => show(decoding.models.find(({ id }) => id === name)) });
  const failed = element("div", { role: "alert" });
  const about = element("section", { class: "panel about-model", "aria-label": "The model" }, model.node, failed, facts);
  view.append(element("div", { class: "inside" }, element("h1", {}, "Look inside"), search, about));

  let drawn = null;

  function drawSearch() {
    const picture = album.selected;
    const answer = picture?.answer;
    if (drawn && drawn === answer) return;
    drawn = answer;
    const title = element("h2", { id: "search-title" }, "How the last caption was found");
    if (!answer) {
      search.replaceChildren(title, element("p", { class: "hint" }, "Caption a picture, and its search is drawn here: every beginning of a sentence that was kept in view, and which of them lived. ", element("a", { href: "#caption" }, "Caption one.")));
      return;
    }
    const head = element("div", { class: "last" }, picture.thumbnail && element("img", { src: picture.thumbnail, alt: picture.name }), element("p", {}, asText(picture)));
    search.replaceChildren(title, head, ...drawTree(answer), drawTime(answer.timing_ms));
  }

  function drawTree({ tree }) {
    if (!tree) return [element("p", { class: "hint" }, "Samples are drawn one by one, so there is no tree. With Beam, under “How words are chosen”, there is one.")];
    const legend = element(
      "p",
      { class: "legend hint" },
      element("span", { class: "key best" }, "the caption"),
      element("span", { class: "key caption" }, "other captions"),
      element("span", { class: "key lived" }, "went on"),
      element("span", { class: "key died" }, "died"),
      element("span", {}, "■ ended"),
    );
    return [legend, beamTree(tree)];
  }

  function drawTime(timing) {
    const parts = Object.entries(STAGES).map(([name, label]) => {
      const part = element("div", { class: `part ${name}`, title: `${label}: ${timing[name]} ms` });
      part.style.flexGrow = Math.max(timing[name], 0.001);
      return part;
    });
    const spoken = Object.entries(STAGES).map(([name, label]) => `${Math.round(timing[name])} ms ${label}`);
    return element("div", { class: "time" }, element("div", { class: "parts", "aria-hidden": "true" }, ...parts), element("p", { class: "hint" }, `${Math.round(timing.total)} ms in all: ${spoken.join(", ")}.`));
  }

  function show(card) {
    model.value = card.id;
    const { metrics } = card;
    const measured = metrics.validation ?? metrics;
    const figures = Object.entries(FIGURES).filter(([name]) => typeof measured[name] === "number");
    const sample = [measured.split && `on ${measured.split}`, measured.images && `${measured.images.toLocaleString("en")} pictures`, measured.beam_size && `beam ${measured.beam_size}`];
    facts.replaceChildren(
      figures.length
        ? element("dl", { class: "figures" }, ...figures.map(([name, label]) => element("div", {}, element("dt", {}, label), element("dd", {}, measured[name].toFixed(3)))))
        : element("p", { class: "hint" }, "This model has no figures."),
      element("p", { class: "hint" }, sample.filter(Boolean).join(", ")),
      element("dl", { class: "parts-of" }, ...rows(card).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      element("article", { class: "card-text" }, ...markdown(card.card || "This model has no card.")),
    );
  }

  async function load() {
    try {
      failed.replaceChildren();
      await decoding.load();
      model.input.replaceChildren(...decoding.models.map(({ id }) => element("option", { value: id }, id)));
      show(decoding.card ?? decoding.models[0]);
    } catch (error) {
      failed.replaceChildren(trouble(error, { again: load }));
    }
  }

  album.addEventListener("selected", drawSearch);
  album.addEventListener("changed", ({ detail: picture }) => picture === album.selected && drawSearch());
  keys.addEventListener("entered", load);
  drawSearch();
  return load();
}

function rows(card) {
  const weights = ["Weights", element("code", { title: card.sha256 }, card.sha256.slice(0, 16))];
  if (card.task === "image-to-text") {
    const { size, resize } = card.preprocessing;
    return [
      ["Encoder", card.encoder],
      ["Sees", `${size} × ${size} pixels, ${resize === "crop" ? "cut from the middle" : "the whole picture squashed to it"}`],
      ["Decoder", card.decoder],
      weights,
    ];
  }
  return [["Cells", `${card.num_layers} × ${card.hidden_size} ${card.cell}`], ["Writes", `a ${card.unit} at a time`], weights];
}
