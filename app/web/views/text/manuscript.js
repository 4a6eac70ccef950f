/** A text as the model wrote it: each token is shaded by how unlikely it was, and shows its alternatives. */

import { Alternatives, readable } from "../../shell/alternatives.js";
import { element } from "../../shell/element.js";
import { Emitter } from "../../shell/emitter.js";
import { announce } from "../../shell/messages.js";
import { percent } from "../../shell/percent.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/**
 * A token with the likeliest in its place, whether a person chose it, and the model that wrote it.
 *
 * @typedef {{text: string, logprob: number, top: [text: string, logprob: number][], own: boolean, model?: string}} Token
 */

/**
 * Emits `branch` when another token is taken at some place.
 *
 * @extends {Emitter<{branch: {place: number, text: string}}>}
 */
export class Manuscript extends Emitter {
  /** @type {Token[]} */
  tokens = [];
  /** @type {number | null} */
  #cursor = null;

  constructor() {
    super();
    this.prompt = element("span", { class: "given" });
    this.written = element("span", { class: "made" });
    this.text = element(
      "div",
      {
        class: "text",
        tabindex: 0,
        role: "group",
        "aria-label": "The text",
        "aria-describedby": "text-keys",
        lang: "en",
      },
      this.prompt,
      this.written,
    );
    this.alternatives = new Alternatives({ take: (text) => this.#branch(text), leave: () => this.text.focus() });
    this.node = element("div", { class: "paper" }, this.text, this.alternatives.node);
    this.written.addEventListener("pointerover", (event) => this.#point(event.target));
    this.written.addEventListener("click", (event) => this.#point(event.target));
    this.written.addEventListener("pointerleave", () => this.alternatives.hideSoon());
    this.text.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("focusout", () => setTimeout(() => this.#leave()));
  }

  /** Replaces the text by a prompt, whose unknown characters are marked, and tokens that continue it. */
  begin(/** @type {string} */ prompt, /** @type {Token[]} */ tokens = [], unknown = new Set()) {
    this.prompt.replaceChildren(...[...prompt].map((character) => (unknown.has(character) ? element("u", { class: "unknown", title: "The model has never seen it." }, character) : character)));
    this.prompt.normalize();
    this.written.replaceChildren();
    this.tokens = [];
    this.#put(null);
    this.append(tokens);
  }

  append(/** @type {Token[]} */ tokens) {
    for (const token of tokens) {
      const before = this.tokens.at(-1)?.model;
      const seam = before && token.model && before !== token.model ? token.model : null; // another model goes on from here
      this.tokens.push(token);
      const made = element("span", { class: `token${token.own ? " own" : ""}${token.text === "\n" ? " break" : ""}${seam ? " seam" : ""}`, "data-model": seam }, token.text);
      made.style.setProperty("--p", Math.exp(token.logprob).toFixed(3));
      this.written.append(made);
    }
  }

  /** The whole text, prompt included. */
  get whole() {
    return this.prompt.textContent + this.tokens.map(({ text }) => text).join("");
  }

  #put(/** @type {number | null} */ place) {
    this.written.querySelector(".cursor")?.classList.remove("cursor");
    this.#cursor = place;
    if (place === null) {
      this.alternatives.hide();
      return;
    }
    const made = this.written.children[place];
    made.classList.add("cursor");
    this.alternatives.show(this.tokens[place], made.getClientRects()[0], this.node);
  }

  #point(/** @type {EventTarget | null} */ target) {
    const place = [...this.written.children].indexOf(/** @type {Element} */ (target));
    if (place >= 0) this.#put(place);
  }

  #key(/** @type {KeyboardEvent} */ event) {
    const count = this.tokens.length;
    if (!count || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS || event.key === "Home" || event.key === "End") {
      const next = this.#cursor === null ? 0 : this.#cursor + (STEPS[event.key] ?? 0);
      const place = event.key === "Home" ? 0 : event.key === "End" ? count - 1 : Math.min(count - 1, Math.max(0, next));
      this.#put(place);
      this.written.children[place].scrollIntoView({ block: "nearest" });
      this.#say(this.tokens[place], /** @type {HTMLElement} */ (this.written.children[place]).dataset.model);
    } else if (event.key === "Enter" && this.#cursor !== null) {
      this.#put(this.#cursor);
      this.alternatives.enter();
    } else if (event.key === "Escape") this.#put(null);
    else return;
    event.preventDefault();
  }

  #say(/** @type {Token} */ { text, logprob, top }, /** @type {string | undefined} */ seam) {
    const others = top.filter(([other]) => other !== text).map(([other, share]) => `${readable(other)} ${percent(Math.exp(share))}`);
    announce(`${seam ? `From here on by ${seam}. ` : ""}${readable(text)}, ${percent(Math.exp(logprob))}. Or ${others.join(", ")}.`);
  }

  #leave() {
    if (!this.node.contains(document.activeElement)) this.#put(null);
  }

  #branch(/** @type {string} */ text) {
    const place = this.#cursor;
    if (place === null) return;
    this.#put(null);
    this.text.focus();
    this.emit("branch", { place, text });
  }
}
