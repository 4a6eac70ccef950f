/** The bench: a picture, its caption as it is written, and the alternatives. */

import { button, element, find } from "../../shell/element.js";
import { trouble } from "../../shell/trouble.js";
import { choose, remove, restore } from "./acts.js";
import { album } from "./album.js";
import { copying } from "./clipboard.js";
import { decoding } from "./decoding.js";
import { panel } from "./decoding-panel.js";
import { filmstrip } from "./filmstrip.js";
import { OwnWords } from "./own-words.js";
import { caption } from "./queue.js";
import { Sentence } from "./sentence.js";
import { reduced } from "./shrink.js";
import { Stage } from "./stage.js";
import { meaning, sureness } from "./sureness.js";
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
  const own = new OwnWords({ kind: "large", rows: 1 });
  const back = element("button", { type: "button", class: "link", onclick: () => album.selected && restore(album.selected) }, "Take the network's words");
  const yours = element("div", { class: "yours", hidden: true }, own.node, element("p", { class: "hint" }, "Your words. The network's are below. ", back));
  const edit = button("Edit", "pen", () => write(), "small");
  copies.prepend(edit);
  const sure = meaning();
  const title = element("h1", { class: "hidden", tabindex: "-1" }, "Caption");
  const told = element("div", { class: "told" }, title, progress, yours, sentence.node, before, failed, tags, others, sure, copies, panel());

  function write() {
    yours.hidden = false;
    sentence.node.classList.add("below");
    own.node.focus();
    own.node.select();
  }
  own.node.addEventListener("blur", () => album.selected && draw(album.selected));
  own.node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    own.node.blur();
    edit.focus();
  });

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
    stage.describe(picture);
    copies.hidden = !done;
    own.show(picture);
    yours.hidden = picture.edited === null && document.activeElement !== own.node;
    sentence.node.classList.toggle("below", !yours.hidden);
    sure.hidden = !done;
    failed.replaceChildren(...(error && state === "failed" ? [trouble(error, remedies(picture))] : []));
    const chosen = done ? picture.best : null;
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

  function other(/** @type {Picture} */ picture, /** @type {import("./album.js").Caption} */ caption, /** @type {number} */ place) {
    const { text, original, needs_review } = caption;
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: "other",
          "aria-pressed": String(caption === picture.best && picture.edited === null),
          onclick: () => {
            choose(picture, place);
            find("button", others.children[place]).focus(); // the list was drawn anew
          },
        },
        element("span", { class: "text" }, needs_review ? `Needs review: ${original}` : text || "(no words)"),
        sureness(caption),
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
  const away = () => remove([picture]);
  const large = ["image_too_large", "body_too_large", "body_too_slow"].includes(picture.error?.code ?? "");
  if (!large || !picture.thumbnail) return { again, remove: away };
  const smaller = async () => {
    picture.file = (await reduced(picture.file)) ?? picture.file;
    again();
  };
  return { again, smaller, remove: away };
}
