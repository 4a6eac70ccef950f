/** A text whose characters are painted by numbers, one for each, and in which one can point and choose a range. */

import { element } from "../../shell/element.js";
import { Emitter } from "../../shell/emitter.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

/** The colour of a value from -1 to 1, for a background. */
export function tone(/** @type {number} */ value) {
  const share = Math.round(70 * Math.min(1, Math.abs(value)));
  return `color-mix(in srgb, var(${value < 0 ? "--minus" : "--plus"}) ${share}%, transparent)`;
}

/**
 * Emits `pointed` with a token that is pointed at or walked to, and `chosen` with the tokens of a range, or null.
 *
 * @extends {Emitter<{pointed: number, chosen: [from: number, to: number] | null}>}
 */
export class PaintedText extends Emitter {
  cursor = 0;
  /** @type {[from: number, to: number] | null} */
  range = null;
  /** @type {number | null} */
  #anchor = null; // where a range begins
  #drags = false;
  node = element("div", { class: "painted", tabindex: 0, role: "group", "aria-label": "The text, painted", "aria-describedby": "painted-keys", lang: "en" });

  constructor() {
    super();
    const at = (/** @type {Event} */ event) => [...this.node.children].indexOf(/** @type {Element} */ (event.target));
    this.node.addEventListener("pointerdown", (event) => {
      const place = at(event);
      if (place < 0) return;
      this.#anchor = place;
      this.#drags = true;
      this.point(place);
      this.#choose(place, place);
      this.node.releasePointerCapture(event.pointerId); // or a finger would stay on its first character
    });
    this.node.addEventListener("pointerover", (event) => {
      const place = at(event);
      if (place < 0) return;
      if (this.#drags && this.#anchor !== null) this.#choose(this.#anchor, place);
      this.point(place);
    });
    addEventListener("pointerup", () => this.#release());
    this.node.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Replaces the text, or goes on with it where it begins with what is there. */
  write(/** @type {string[]} */ tokens) {
    const shown = /** @type {HTMLElement[]} */ ([...this.node.children]);
    const same = shown.length <= tokens.length && shown.every((made, place) => made.textContent === tokens[place]);
    if (!same) {
      this.node.replaceChildren();
      this.cursor = 0;
    }
    const made = tokens.slice(this.node.childElementCount).map((token) => element("span", { class: token === "\n" && "break" }, token));
    this.node.append(...made);
    if (!same) this.#choose(null, null);
  }

  /** Paints the characters by these values, as far as they go. */
  paint(/** @type {ArrayLike<number>} */ values) {
    const made = /** @type {HTMLCollectionOf<HTMLElement>} */ (this.node.children);
    for (let place = 0; place < made.length; place++) made[place].style.background = place < values.length ? tone(values[place]) : "";
  }

  point(/** @type {number} */ place) {
    const made = this.node.children;
    made[this.cursor]?.classList.remove("cursor");
    this.cursor = Math.max(0, Math.min(made.length - 1, place));
    made[this.cursor]?.classList.add("cursor");
    this.emit("pointed", this.cursor);
  }

  #choose(/** @type {number | null} */ one, /** @type {number | null} */ other) {
    const range = one === null || other === null || one === other ? null : /** @type {[number, number]} */ ([Math.min(one, other), Math.max(one, other) + 1]);
    [...this.node.children].forEach((made, place) => {
      made.classList.toggle("within", range !== null && place >= range[0] && place < range[1]);
    });
    this.range = range;
    if (!this.#drags) this.emit("chosen", range);
  }

  #release() {
    if (!this.#drags) return;
    this.#drags = false;
    this.emit("chosen", this.range);
  }

  #key(/** @type {KeyboardEvent} */ event) {
    const by = event.key === "ArrowDown" || event.key === "ArrowUp" ? this.#line(event.key === "ArrowDown" ? 1 : -1) : STEPS[event.key];
    if (event.key === "Escape") this.#choose(null, null);
    else if (by === undefined) return;
    else {
      if (!event.shiftKey) this.#anchor = null;
      else this.#anchor ??= this.cursor;
      this.point(this.cursor + by);
      this.#choose(this.#anchor, this.cursor);
    }
    event.preventDefault();
  }

  /** Steps to the nearest character of the line below, or above. */
  #line(/** @type {number} */ way) {
    const boxes = [...this.node.children].map((made) => made.getBoundingClientRect());
    const here = boxes[this.cursor];
    let best = this.cursor;
    let line = Number.NaN;
    for (let place = this.cursor + way; boxes[place]; place += way) {
      if (way * (boxes[place].top - here.top) < 2) continue;
      if (Number.isNaN(line)) line = boxes[place].top;
      if (Math.abs(boxes[place].top - line) > 2) break;
      if (best === this.cursor || Math.abs(boxes[place].left - here.left) < Math.abs(boxes[best].left - here.left)) best = place;
    }
    return best - this.cursor;
  }
}
