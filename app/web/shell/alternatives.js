/** The likeliest tokens in a token's place, each a button that takes it instead. */

import { element } from "./element.js";
import { percent } from "./percent.js";

/** @type {Record<string, string>} */
const SIGNS = { "\n": "⏎ new line", " ": "␣ space", "\t": "⇥ tab", "": "■ the end" };

/** A token in visible, pronounceable form. */
export function readable(/** @type {string} */ text) {
  return SIGNS[text] ?? text.replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

/** A token, and the likeliest in its place. */
/** @typedef {{text: string, top: [text: string, logprob: number][]}} Choices */

/** A small card beside a token. `take` is called with the alternative that was clicked, `leave` on Escape. */
export class Alternatives {
  #hiding = 0;

  /** @param {{take: (text: string) => void, leave: () => void}} calls */
  constructor({ take, leave }) {
    this.take = take;
    this.title = element("p", { class: "instead" });
    this.list = element("ol");
    this.node = element("div", { class: "alternatives", role: "group", hidden: true }, this.title, this.list);
    this.node.addEventListener("pointerenter", () => clearTimeout(this.#hiding));
    this.node.addEventListener("pointerleave", () => this.hideSoon());
    addEventListener("resize", () => this.hide()); // its token is elsewhere then
    this.node.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (by) this.#walk(by);
      else if (event.key === "Escape") leave();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** Shows a token's alternatives under its box; `within` is the node that contains the card. */
  show(/** @type {Choices} */ token, /** @type {DOMRect} */ box, /** @type {HTMLElement} */ within) {
    clearTimeout(this.#hiding);
    const shown = readable(token.text);
    this.title.replaceChildren("Instead of ", element("b", {}, shown));
    this.node.setAttribute("aria-label", `Instead of ${shown}`);
    const own = (/** @type {string} */ text) => text === token.text;
    this.list.replaceChildren(
      ...token.top.map(([text, logprob]) => {
        const bar = element("span", { class: "bar" });
        bar.style.setProperty("--share", String(Math.exp(logprob)));
        return element(
          "li",
          {},
          element(
            "button",
            { type: "button", "aria-current": own(text) && "true", disabled: own(text), onclick: () => this.take(text) },
            element("span", { class: "sign" }, readable(text)),
            bar,
            element("span", { class: "share" }, likely(logprob)),
          ),
        );
      }),
    );
    this.node.hidden = false;
    const frame = within.getBoundingClientRect();
    const left = Math.min(Math.max(0, box.left - frame.left - 12), frame.width - this.node.offsetWidth);
    this.node.style.left = `${Math.max(0, left)}px`;
    this.node.style.top = `${box.bottom - frame.top + 4}px`;
  }

  hide() {
    clearTimeout(this.#hiding);
    this.node.hidden = true;
  }

  /** Hides the card after a moment, unless the pointer comes to it. */
  hideSoon() {
    clearTimeout(this.#hiding);
    this.#hiding = setTimeout(() => this.hide(), 250);
  }

  /** Moves the focus into the card. */
  enter() {
    this.#buttons[0]?.focus();
  }

  get hasFocus() {
    return this.node.contains(document.activeElement);
  }

  /** The alternatives that can be taken. */
  get #buttons() {
    return [.../** @type {NodeListOf<HTMLButtonElement>} */ (this.list.querySelectorAll("button:enabled"))];
  }

  #walk(/** @type {number} */ by) {
    const buttons = this.#buttons;
    const place = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    buttons[(place + by + buttons.length) % buttons.length]?.focus();
  }
}

function likely(/** @type {number} */ logprob) {
  const share = Math.exp(logprob);
  return share < 0.01 ? "< 1 %" : percent(share);
}
