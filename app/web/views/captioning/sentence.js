/** A caption as a sentence whose words can be pointed at. */

import { element } from "../../shell/element.js";
import { Emitter } from "../../shell/emitter.js";

/** Tokens that are written without a space before them: 's, n't. */
const CLITIC = /^('|n't$)/;

/** The probability of a word below which it is underlined. */
const UNSURE = 0.3;

/** @typedef {import("./album.js").Token} Token */

/**
 * Emits `point`, with the number of a word or null, when a word is pointed at or left, and `open` when one is clicked.
 *
 * @extends {Emitter<{point: number | null, open: number}>}
 */
export class Sentence extends Emitter {
  /** @type {HTMLElement[]} */
  #words = [];
  /** @type {number | null} */
  #pinned = null;

  constructor() {
    super();
    this.node = element("p", { class: "sentence", lang: "en" });
    this.node.addEventListener("pointerleave", () => this.#point(this.#pinned));
  }

  /** Shows the words that have come so far; those that are shown already stay. */
  show(/** @type {Token[]} */ tokens, { writing = false } = {}) {
    const same = this.#words.every((word, place) => word.dataset.text === tokens[place]?.text);
    if (!same || !tokens.length) {
      this.node.replaceChildren();
      this.#words = [];
      this.#pinned = null;
    }
    const begun = this.#words.length;
    for (const token of tokens.slice(begun)) this.#append(token, this.#words.length - begun);
    this.node.classList.toggle("writing", writing);
    this.node.setAttribute("aria-busy", String(writing));
  }

  #append(/** @type {Token} */ token, /** @type {number} */ delay) {
    const place = this.#words.length;
    const text = place ? token.text : token.text.charAt(0).toUpperCase() + token.text.slice(1);
    const word = element(
      "span",
      {
        class: Math.exp(token.logprob) < UNSURE ? "word unsure" : "word",
        "data-text": token.text,
        onpointerenter: (/** @type {PointerEvent} */ event) => event.pointerType !== "touch" && this.#point(place),
        onclick: () => {
          this.#pinned = this.#pinned === place ? null : place;
          this.#point(this.#pinned);
          if (this.#pinned !== null) this.emit("open", place);
        },
      },
      text,
    );
    word.style.setProperty("--delay", `${70 * delay}ms`);
    this.#words.push(word);
    if (place && !CLITIC.test(token.text)) this.node.append(" ");
    this.node.append(word);
  }

  /** Marks a word, and no other. */
  mark(/** @type {number | null} */ place) {
    for (const [at, word] of this.#words.entries()) word.classList.toggle("marked", at === place);
  }

  /** Where a word stands in the window. */
  box(/** @type {number} */ place) {
    return this.#words[place].getBoundingClientRect();
  }

  /** Unpins the word that was clicked. */
  release() {
    this.#pinned = null;
  }

  #point(/** @type {number | null} */ place) {
    this.mark(place);
    this.emit("point", place);
  }
}
