/** The bench: a picture, its caption as it is written, and the alternatives. */

import { element, find } from "../../shell/element.js";
import { percent } from "../../shell/percent.js";
import { trouble } from "../../shell/trouble.js";
import { album } from "./album.js";
import { copying } from "./clipboard.js";
import { decoding } from "./decoding.js";
import { panel } from "./decoding-panel.js";
import { filmstrip } from "./filmstrip.js";
import { caption } from "./queue.js";
import { Sentence } from "./sentence.js";
import { reduced } from "./shrink.js";
import { Stage } from "./stage.js";
import { showTags, tagList } from "./tags.js";

/** @typedef {import("./album.js").Picture} Picture */

/** @type {Record<string, string>} */
const TOLD = { waiting: "Waiting for its turn.", reading: "Looking at the picture…", writing: "Finding words…" };
const UNSURE = "Not sure enough to say.";

/** Makes the bench, which follows the picture that is selected. */
export function makeBench() {
  const stage = new Stage();
  const sentence = new Sentence();
  const progress = element("p", { class: "progress" });
  const before = element("p", { class: "before", hidden: true });
  const tags = tagList();
  const others = element("ol", { class: "others", "aria-label": "Captions, with their confidence" });
  const failed = element("div", { class: "failed", role: "alert" });
  const copies = copying(() => /** @type {Picture} */ (album.selected));
  const told = element("div", { class: "told" }, element("h1", { class: "hidden" }, "Caption"), progress, sentence.node, before, failed, tags, others, copies, panel());

  sentence.on("point", (place) => {
    stage.pause();
    stage.tell(place);
  });
  stage.on("step", (place) => {
    sentence.release();
    sentence.mark(place);
  });

  function selected() {
    const picture = album.selected;
    if (!picture) return;
    stage.set(picture);
    sentence.show([]);
    draw(picture);
  }

  function draw(/** @type {Picture} */ picture) {
    const { state, answer, error } = picture;
    const done = state === "done";
    stage.state(state);
    copies.hidden = !done;
    failed.replaceChildren(...(error && state === "failed" ? [trouble(error, remedies(picture))] : []));
    const chosen = done ? answer?.captions[picture.chosen] : null;
    const withheld = chosen?.needs_review ?? false;
    progress.textContent = picture.note || (withheld ? UNSURE : (TOLD[state] ?? ""));
    sentence.show(withheld ? [] : (chosen?.tokens ?? picture.words), { writing: state === "writing" });
    stage.words(withheld ? [] : (chosen?.tokens ?? []));
    showTags(tags, (done && answer?.tags) || []);
    if (done && answer) stage.place(decoding.card?.preprocessing, answer.image);
    const text = picture.before?.text;
    before.hidden = !text || (done && text === answer?.captions[0]?.text);
    before.textContent = before.hidden ? "" : `Before: ${text}`;
    others.replaceChildren(...(done && answer ? answer.captions.map((caption, place) => other(picture, caption, place)) : []));
  }

  function other(/** @type {Picture} */ picture, /** @type {import("./album.js").Caption} */ { text, confidence, original, needs_review }, /** @type {number} */ place) {
    const bar = element("span", { class: "bar" });
    bar.style.setProperty("--share", String(confidence));
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: "other",
          "aria-pressed": String(place === picture.chosen),
          onclick: () => {
            picture.chosen = place;
            picture.edited = null;
            album.emit("changed", picture);
            find("button", others.children[place]).focus(); // the list was drawn anew
          },
        },
        element("span", { class: "text" }, needs_review ? `Needs review: ${original}` : text || "(no words)"),
        element("span", { class: "confidence", title: "How likely it is good, as the model's card has it" }, bar, `${percent(confidence)} confident`),
      ),
    );
  }

  album.on("selected", selected);
  album.on("changed", (picture) => {
    if (picture === album.selected) draw(picture);
  });
  album.on("word", (picture) => {
    if (picture === album.selected) sentence.show(picture.words, { writing: true });
  });
  selected();
  return element("div", { class: "bench" }, filmstrip(), stage.node, told);
}

/** The actions of the buttons beside a failure. */
export function remedies(/** @type {Picture} */ picture) {
  const again = () => caption([picture], { first: true });
  const large = ["image_too_large", "body_too_large", "body_too_slow"].includes(picture.error?.code ?? "");
  if (!large || !picture.thumbnail) return { again };
  const smaller = async () => {
    picture.file = (await reduced(picture.file)) ?? picture.file;
    again();
  };
  return { again, smaller };
}
