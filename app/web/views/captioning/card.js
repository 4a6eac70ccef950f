/** A picture on the contact sheet, with its state and its caption, which can be edited. */

import { element, icon } from "../../shell/element.js";
import { percent } from "../../shell/percent.js";
import { trouble } from "../../shell/trouble.js";
import { album } from "./album.js";
import { remedies } from "./bench.js";
import { showTags, tagList } from "./tags.js";

/** @typedef {import("./album.js").Picture} Picture */

/** @type {Record<string, string>} */
const TOLD = { waiting: "Waiting", reading: "Looking…", writing: "Writing…" };

export class Card {
  /** @type {Partial<Picture>} */
  #drawn = {};

  constructor(/** @type {Picture} */ picture, /** @type {{open: () => void, remove: (picture: Picture) => void}} */ { open, remove }) {
    this.picture = picture;
    this.image = element("img", { alt: "", decoding: "async", loading: "lazy" });
    this.text = element("textarea", { rows: 2, class: "own", "aria-label": `Caption of ${picture.name}`, lang: "en", oninput: () => this.#edit() });
    this.tags = tagList();
    this.state = element("p", { class: "doing" });
    this.failed = element("div");
    this.undo = element("button", { type: "button", class: "link", onclick: () => this.#restore() }, "Undo edit");
    const show = element("button", { type: "button", class: "show", "aria-label": `Open ${picture.name}`, onclick: open }, this.image);
    const away = element("button", { type: "button", class: "icon remove", "aria-label": `Remove ${picture.name}`, onclick: () => remove(picture) }, icon("close"));
    this.node = element(
      "li",
      { class: "card" },
      show,
      away,
      element("div", { class: "about" }, this.text, this.failed, this.tags, element("div", { class: "line" }, element("p", { class: "name", title: picture.name }, picture.name), this.state, this.undo)),
    );
  }

  /** Draws the picture's state; the failure only if it has changed. */
  draw() {
    const { state, thumbnail, error, edited, answer, chosen, note } = this.picture;
    this.node.dataset.state = state;
    if (thumbnail && !this.image.src) this.image.src = thumbnail;
    if (document.activeElement !== this.text || edited === null) this.text.value = this.picture.caption;
    this.text.hidden = state !== "done";
    this.undo.hidden = edited === null;
    showTags(this.tags, (state === "done" && answer?.tags) || []);
    const caption = answer?.captions[chosen];
    const sure = caption && `${percent(caption.confidence)} confident${caption.needs_review ? ", needs review" : ""}`;
    this.state.textContent = state === "done" ? ((edited === null && sure) || "edited") : (TOLD[state] ?? "");
    this.text.placeholder = caption?.original ?? "";
    this.state.title = note;
    if (this.#drawn.error !== error || this.#drawn.state !== state || this.#drawn.thumbnail !== thumbnail) {
      this.failed.replaceChildren(...(error && state === "failed" ? [trouble(error, remedies(this.picture))] : []));
    }
    this.#drawn = { error, state, thumbnail };
  }

  #edit() {
    const text = this.text.value.replace(/\s*\n\s*/g, " ");
    const own = this.picture.answer?.captions[this.picture.chosen]?.text ?? "";
    this.picture.edited = text === own ? null : text;
    album.emit("changed", this.picture);
  }

  #restore() {
    this.picture.edited = null;
    album.emit("changed", this.picture);
    this.text.focus();
  }
}
