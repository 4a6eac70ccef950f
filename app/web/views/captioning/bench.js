/** The bench: a picture, its caption as it is written, and the alternatives. */

import { Alternatives } from "../../shell/alternatives.js";
import { button, element, find } from "../../shell/element.js";
import { notice } from "../../shell/messages.js";
import { trouble } from "../../shell/trouble.js";
import { choose, remove, restore } from "./acts.js";
import { album } from "./album.js";
import { copying } from "./clipboard.js";
import { decoding } from "./decoding.js";
import { panel } from "./decoding-panel.js";
import { marked } from "./difference.js";
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
  const instead = new Alternatives({ take: reword, leave: leaveChoices });
  const said = element("div", { class: "said" }, sentence.node, instead.node);
  const told = element("div", { class: "told" }, title, progress, yours, said, before, failed, tags, others, sure, copies, panel());

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

  /** @type {{picture: Picture, caption: import("./album.js").Caption, place: number} | null} */
  let opened = null; // the word whose alternatives are shown

  /** Shows what else could stand in the place of a word. */
  async function open(/** @type {number} */ place, { enter = false } = {}) {
    const picture = album.selected;
    const caption = picture?.best;
    if (!picture || !caption?.tokens[place]) return;
    const { choices } = await import("./rewording.js");
    try {
      const top = (await choices(picture, caption))[place];
      if (!top || album.selected !== picture || picture.best !== caption) return; // it has changed meanwhile
      opened = { picture, caption, place };
      instead.show({ text: caption.tokens[place].text, top }, sentence.box(place), said);
      if (enter) instead.enter();
    } catch (reason) {
      const { sentence: told, advice } = /** @type {import("../../shell/failure.js").Failure} */ (reason);
      notice(`${told} ${advice}`);
    }
  }

  function leaveChoices() {
    stage.others.focus();
    instead.hide();
  }

  async function reword(/** @type {string} */ text) {
    if (!opened) return;
    const { picture, caption, place } = opened;
    instead.hide();
    sentence.release();
    const { take } = await import("./rewording.js");
    await take(picture, caption, place, text);
    title.focus();
  }
  /** @type {ReturnType<typeof import("./occlusion.js").occlusion> | null} */
  let covering = null; // fetched when it is first opened
  const what = element("details", { class: "panel what-if", ontoggle: coverToggled }, element("summary", {}, element("h2", {}, "What if a part were covered?")));
  async function coverToggled() {
    if (!covering && what.open) {
      const { occlusion } = await import("./occlusion.js");
      covering ??= occlusion(stage, () => album.selected);
      what.append(covering.node);
    }
    covering?.turn(what.open);
  }

  sentence.on("open", open);
  stage.on("others", (place) => open(place, { enter: true }));
  said.addEventListener("focusout", () => setTimeout(() => instead.hasFocus || instead.hideSoon()));
  document.addEventListener("pointerdown", ({ target }) => said.contains(/** @type {Node} */ (target)) || instead.hide());

  sentence.on("point", (place) => {
    if (opened && place !== opened.place) instead.hideSoon();
    stage.pause();
    stage.tell(place);
  });
  stage.on("step", (place) => {
    sentence.release();
    sentence.mark(place);
  });

  function selected() {
    const picture = album.selected;
    instead.hide();
    covering?.clear();
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
    sure.hidden = what.hidden = !done;
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
    const shown = caption === picture.best && picture.edited === null;
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: "other",
          "aria-pressed": String(shown),
          onclick: () => {
            choose(picture, place);
            find("button", others.children[place]).focus(); // the list was drawn anew
          },
        },
        element("span", { class: "text" }, ...(needs_review ? [`Needs review: ${original}`] : shown || !text ? [text || "(no words)"] : marked(text, picture.best?.text ?? ""))),
        shown && element("span", { class: "above", "aria-hidden": "true" }, "The one above"),
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
  told.append(what);
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
