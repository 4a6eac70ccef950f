/** A picture, its caption as it comes, and what else could be said of it. */

import { album } from "./album.js";
import { announce } from "../../shell/announce.js";
import { caption } from "./queue.js";
import { reduced } from "./shrink.js";
import { copying } from "./clipboard.js";
import { decoding } from "./decoding.js";
import { element } from "../../shell/element.js";
import { filmstrip } from "./filmstrip.js";
import { asText } from "./formats.js";
import { panel } from "./decoding-panel.js";
import { Sentence } from "./sentence.js";
import { Stage } from "./stage.js";
import { percent } from "../../shell/percent.js";
import { trouble } from "../../shell/trouble.js";

const TOLD = { waiting: "Waiting for its turn.", reading: "Looking at the picture…", writing: "Finding words…" };

/** The bench: what there is once there are pictures. */
export function mountBench() {
  const stage = new Stage();
  const sentence = new Sentence();
  const progress = element("p", { class: "progress" });
  const before = element("p", { class: "before", hidden: true });
  const others = element("ol", { class: "others", "aria-label": "Captions, with their confidence" });
  const failed = element("div", { class: "failed", role: "alert" });
  const copies = copying(() => album.selected);
  const told = element("div", { class: "told" }, element("h1", { class: "hidden" }, "Caption"), progress, sentence.node, before, failed, others, copies, panel());

  sentence.addEventListener("point", ({ detail }) => {
    stage.pause();
    stage.tell(detail);
  });
  stage.addEventListener("step", ({ detail }) => {
    sentence.release();
    sentence.mark(detail);
  });

  function selected() {
    const picture = album.selected;
    if (!picture) return;
    stage.set(picture);
    sentence.show([]);
    draw(picture);
  }

  function draw(picture) {
    const { state, answer, error } = picture;
    const done = state === "done";
    stage.state(state);
    progress.textContent = picture.note || (TOLD[state] ?? "");
    copies.hidden = !done;
    failed.replaceChildren(...(state === "failed" ? [trouble(error, remedies(picture))] : []));
    const chosen = done ? answer.captions[picture.chosen] : null;
    sentence.show(chosen?.tokens ?? picture.words, { writing: state === "writing" });
    stage.words(chosen?.tokens ?? []);
    if (done) stage.place(decoding.card?.preprocessing, answer.image);
    drawBefore(picture, done);
    others.replaceChildren(...(done && answer.captions.length ? answer.captions.map((_, place) => other(picture, place)) : []));
  }

  function drawBefore(picture, done) {
    const changed = picture.before?.text && (!done || picture.before.text !== picture.answer.captions[0]?.text);
    before.hidden = !changed;
    before.textContent = changed ? `Before: ${picture.before.text}` : "";
  }

  function other(picture, place) {
    const { text, confidence } = picture.answer.captions[place];
    const bar = element("span", { class: "bar" });
    bar.style.setProperty("--share", confidence);
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
            album.tell("changed", picture);
            others.children[place].firstChild.focus(); // the list was drawn anew
          },
        },
        element("span", { class: "text" }, text || "(no words)"),
        element("span", { class: "confidence", title: "How likely it is good, as the model's card has it" }, bar, `${percent(confidence)} confident`),
      ),
    );
  }

  album.addEventListener("selected", selected);
  album.addEventListener("changed", ({ detail: picture }) => {
    if (picture === album.selected) draw(picture);
    if (picture.state === "done" && picture.told !== picture.answer) {
      picture.told = picture.answer; // once for each answer
      announce(`${picture.name}: ${asText(picture)} ${percent(picture.answer.captions[0]?.confidence ?? 0)} confident.`);
    }
  });
  album.addEventListener("word", ({ detail: picture }) => {
    if (picture === album.selected) sentence.show(picture.words, { writing: true });
  });
  return element("div", { class: "bench" }, filmstrip(), stage.node, told);
}

/** What the buttons of a failure do. */
export function remedies(picture) {
  const again = () => caption([picture], { first: true });
  const large = ["image_too_large", "body_too_large", "body_too_slow"].includes(picture.error.code);
  if (!large || !picture.thumbnail) return { again };
  const smaller = async () => {
    picture.file = (await reduced(picture.file)) ?? picture.file;
    again();
  };
  return { again, smaller };
}
