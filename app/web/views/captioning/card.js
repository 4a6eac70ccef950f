/** A picture on the contact sheet, with its state and its caption, which can be edited. */

import { element, icon } from "../../shell/element.js";
import { trouble } from "../../shell/trouble.js";
import { restore } from "./acts.js";
import { remedies } from "./bench.js";
import { asText } from "./formats.js";
import { OwnWords } from "./own-words.js";
import { inWords } from "./sureness.js";
import { showTags, tagList } from "./tags.js";
import { showSoon } from "./thumbnails.js";

/** @typedef {import("./album.js").Picture} Picture */

/** @type {Record<string, string>} */
const TOLD = { waiting: "Waiting", reading: "Looking…", writing: "Writing…" };

export class Card {
  /** @type {Partial<Picture>} */
  #drawn = {};

  constructor(/** @type {Picture} */ picture, /** @type {{open: () => void, remove: (picture: Picture) => void}} */ { open, remove }) {
    this.picture = picture;
    this.image = element("img", { alt: "", decoding: "async", loading: "lazy" });
    this.own = new OwnWords();
    this.tags = tagList();
    this.state = element("p", { class: "doing" });
    this.length = element("p", { class: "length" });
    this.failed = element("div");
    this.undo = element("button", { type: "button", class: "link", onclick: () => this.#restore() }, "Undo edit");
    this.show = element("button", { type: "button", class: "show", "aria-label": `Open ${picture.name}`, onclick: open }, this.image);
    const away = element("button", { type: "button", class: "icon remove", "aria-label": `Remove ${picture.name}`, onclick: () => remove(picture) }, icon("close"));
    const name = element("p", { class: "name", title: picture.name }, element("span", { class: "stem" }, picture.name.slice(0, -10)), picture.name.slice(-10));
    this.node = element(
      "li",
      { class: "card" },
      this.show,
      element("div", { class: "about" }, this.own.node, this.failed, this.tags, element("div", { class: "line" }, name, this.length, this.state, this.undo)),
      away,
    );
    this.stop(false);
  }

  /** Makes the card a stop of the tab key, or not: a sheet has only one, and arrow keys go from card to card. */
  stop(/** @type {boolean} */ here) {
    for (const control of this.node.querySelectorAll("button, textarea")) /** @type {HTMLElement} */ (control).tabIndex = here ? 0 : -1;
  }

  /** Draws the picture's state; the failure only if it has changed. */
  draw() {
    const { picture } = this;
    const { state, small, error, edited, answer, review, best, note } = picture;
    this.node.dataset.state = state;
    this.node.dataset.review = review;
    if (small && this.#drawn.small !== small) showSoon(this.image, picture, this.show);
    this.own.show(picture);
    this.own.node.hidden = state !== "done" && edited === null;
    this.undo.hidden = edited === null;
    showTags(this.tags, (state === "done" && answer?.tags) || []);
    this.length.textContent = this.own.node.hidden ? "" : String(asText(picture).length);
    this.length.title = "Characters";
    this.state.textContent = told(picture) || (best && state === "done" ? inWords(best) : (TOLD[state] ?? ""));
    this.state.title = note;
    if (this.#drawn.error !== error || this.#drawn.state !== state || this.#drawn.small !== small) {
      this.failed.replaceChildren(...(error && state === "failed" && edited === null ? [trouble(error, remedies(picture))] : []));
    }
    this.#drawn = { error, state, small };
  }

  #restore() {
    restore(this.picture);
    this.own.node.focus();
  }
}

/** What a person has done with a picture, in a word or two; "" for a draft of the network. */
function told(/** @type {Picture} */ { review, edited }) {
  if (review === "draft") return edited === null ? "" : "edited";
  return review === "reviewed" && edited !== null ? "edited, reviewed" : review;
}
