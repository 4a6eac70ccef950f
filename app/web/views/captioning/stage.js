/** A picture, the light of attention on it, and the buttons that step from word to word. */

import { element, icon, setIcon } from "../../shell/element.js";
import { Emitter } from "../../shell/emitter.js";
import { announce } from "../../shell/messages.js";
import { percent } from "../../shell/percent.js";
import { Light, whereabouts } from "./attention.js";
import { asText } from "./formats.js";

const BEAT = 750; // milliseconds that a word is shown while it plays

/** @typedef {import("./album.js").Token} Token */

/**
 * Emits `step`, with the number of the word that is shown (null: none), when its own buttons change that, and `others`
 * when other words are wanted in its place.
 *
 * @extends {Emitter<{step: number | null, others: number}>}
 */
export class Stage extends Emitter {
  /** @type {Token[]} */
  #tokens = [];
  /** @type {number | null} */
  #place = null;
  #timer = 0;

  constructor() {
    super();
    this.picture = element("img", { class: "picture", decoding: "async", onload: () => this.#fit() });
    this.picture.addEventListener("error", () => this.frame.classList.add("unseen"));
    this.canvas = element("canvas", { class: "light", "aria-hidden": "true" });
    this.light = new Light(this.canvas);
    this.frame = element(
      "div",
      { class: "frame" },
      this.picture,
      this.canvas,
      element("p", { class: "blind" }, "This browser can't show it.", element("span", { class: "hope" }, " The network may still read it.")),
    );
    this.back = element("button", { type: "button", class: "icon", "aria-label": "Word before", onclick: () => this.#walk(-1) }, icon("back"));
    this.playing = element("button", { type: "button", class: "icon play", "aria-label": "Play", onclick: () => this.#toggle() }, icon("play"));
    this.forth = element("button", { type: "button", class: "icon", "aria-label": "Word after", onclick: () => this.#walk(1) }, icon("next"));
    this.others = element("button", { type: "button", class: "icon", "aria-label": "Other words in its place", title: "Other words in its place", onclick: () => this.#place !== null && this.emit("others", this.#place) }, icon("rows"));
    this.label = element("p", { class: "looked" });
    this.player = element(
      "div",
      { class: "player", role: "toolbar", "aria-label": "Where it looked", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
      this.back,
      this.playing,
      this.forth,
      this.others,
      this.label,
    );
    this.node = element("div", { class: "stage" }, this.frame, this.player);
    this.tell(null);
  }

  /** Shows a picture that has no words yet. */
  set(/** @type {import("./album.js").Picture} */ picture) {
    this.shown = picture;
    this.frame.classList.remove("unseen");
    this.picture.src = picture.url;
    this.describe(picture);
    this.words([]);
  }

  /** Gives the picture its caption as alternative text; while it has none, its name. */
  describe(/** @type {import("./album.js").Picture} */ picture) {
    this.picture.alt = asText(picture) || picture.name;
  }

  /** Shows the picture's state. */
  state(/** @type {string} */ state) {
    this.frame.dataset.state = state;
  }

  /** Sets the words to step through, each with its attention. */
  words(/** @type {Token[]} */ tokens) {
    this.pause();
    this.#tokens = tokens.some((token) => token.attention) ? tokens : [];
    for (const button of [this.back, this.playing, this.forth]) button.disabled = !this.#tokens.length;
    this.tell(null);
  }

  /**
   * Lays the grid of attention over the whole picture, or over the square that was cut from its middle.
   *
   * @param {{resize: string, crop_fraction: number} | undefined} preprocessing of the model.
   * @param {{width: number, height: number}} size of the picture.
   */
  place(preprocessing, { width, height }) {
    const side = preprocessing?.resize === "crop" ? preprocessing.crop_fraction * Math.min(width, height) : null;
    this.canvas.style.inset = side ? `${50 * (1 - side / height)}% ${50 * (1 - side / width)}%` : "0";
    this.canvas.style.width = side ? `${(100 * side) / width}%` : "100%";
    this.canvas.style.height = side ? `${(100 * side) / height}%` : "100%";
    this.#fit({ width, height });
  }

  /** Lights the picture for the word of this number, or for none. */
  tell(/** @type {number | null} */ place) {
    this.#place = place;
    const token = place === null ? null : this.#tokens[place];
    this.light.show(token?.attention ?? null);
    this.others.disabled = !token;
    this.frame.dataset.word = token?.text ?? "";
    const idle = this.#tokens.length ? [element("span", { class: "by-pointer" }, "Point at a word to see where it looked, click it for others."), element("span", { class: "by-touch" }, "Tap a word: where it looked, and others for it.")] : [];
    this.label.replaceChildren(...(token ? [element("b", {}, token.text), ` ${percent(Math.exp(token.logprob))} likely as the next word`, element("br"), token.attention ? whereabouts(token.attention) : ""] : idle));
  }

  pause() {
    clearInterval(this.#timer);
    this.#timer = 0;
    setIcon(this.playing, "play");
    this.playing.setAttribute("aria-label", "Play");
  }

  #toggle() {
    if (this.#timer) {
      this.pause();
      return;
    }
    setIcon(this.playing, "pause");
    this.playing.setAttribute("aria-label", "Pause");
    this.#step(this.#place === null || this.#place === this.#tokens.length - 1 ? 0 : this.#place + 1);
    this.#timer = setInterval(() => {
      const next = (this.#place ?? -1) + 1;
      if (next < this.#tokens.length) this.#step(next);
      else {
        this.pause();
        this.#step(null);
      }
    }, BEAT);
  }

  #walk(/** @type {number} */ by) {
    this.pause();
    const count = this.#tokens.length;
    this.#step(this.#place === null ? (by > 0 ? 0 : count - 1) : (this.#place + by + count) % count);
  }

  #step(/** @type {number | null} */ place) {
    this.tell(place);
    this.emit("step", place);
    const token = place === null ? null : this.#tokens[place];
    if (token && !this.#timer) announce(`Word ${(place ?? 0) + 1} of ${this.#tokens.length}: ${token.text}, ${token.attention ? whereabouts(token.attention) : ""}.`);
  }

  #key(/** @type {KeyboardEvent} */ event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.#tokens.length) return;
    event.preventDefault();
    this.#walk(by);
  }

  #fit(size = { width: this.picture.naturalWidth, height: this.picture.naturalHeight }) {
    if (size.width && size.height) this.frame.style.setProperty("--ratio", String(size.width / size.height));
  }
}
