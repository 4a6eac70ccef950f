/** A field for a caption in a person's own words. */

import { element } from "../../shell/element.js";
import { remembered } from "./acts.js";
import { album } from "./album.js";
import { asText, sentence } from "./formats.js";

/** @typedef {import("./album.js").Picture} Picture */

export class OwnWords {
  /** @type {Picture | null} */
  #picture = null;
  /** @type {(() => Picture[]) | null} */
  #back = null; // to how it was before the field had the focus
  #before = "";

  constructor(/** @type {{kind?: string, rows?: number}} */ { kind = "", rows = 2 } = {}) {
    this.node = element("textarea", {
      rows,
      class: `own ${kind}`,
      lang: "en",
      oninput: () => this.#write(),
      onfocus: () => this.#begin(),
      onchange: () => this.#end(),
    });
  }

  /** Shows the words of a picture, unless they are being written here. */
  show(/** @type {Picture} */ picture) {
    const text = asText(picture);
    const writing = document.activeElement === this.node && this.#picture === picture && this.#tidy() === text;
    this.#picture = picture;
    this.node.setAttribute("aria-label", `Caption of ${picture.name}`);
    this.node.placeholder = picture.review === "decorative" ? "Decorative: no words" : (picture.best?.original ?? "");
    if (!writing) this.node.value = text;
  }

  /** Whether nothing was typed since the field has the focus, so that it has nothing of its own to undo. */
  get untouched() {
    return this.node.value === this.#before;
  }

  #tidy() {
    return this.node.value.replace(/\s*\n\s*/g, " ");
  }

  #begin() {
    this.#back = this.#picture && album.remember([this.#picture]);
    this.#before = this.node.value;
  }

  #write() {
    const picture = this.#picture;
    if (!picture) return;
    const text = this.#tidy();
    picture.edited = text === sentence(picture.best?.text ?? "") ? null : text;
    picture.review = "draft";
    album.emit("changed", picture);
  }

  #end() {
    if (this.#back && this.#picture) remembered(`Caption of ${this.#picture.name} edited.`, this.#back, { quiet: true });
    this.#begin();
  }
}
