/** The review: pictures one by one, each whole, with one large field, by keys alone. The least confident come first. */

import { button, element } from "../../shell/element.js";
import { announce } from "../../shell/messages.js";
import { store } from "../../shell/store.js";
import { isUndo, undo } from "../../shell/undo.js";
import * as acts from "./acts.js";
import { album } from "./album.js";
import { asText, sentence } from "./formats.js";
import { OwnWords } from "./own-words.js";
import { sureness } from "./sureness.js";
import { guesses, neutral, warnings } from "./warnings.js";

/** @typedef {import("./album.js").Picture} Picture */

const LIMITS = [0, 90, 100, 125, 150];
const PACE = 3; // pictures after which the time that is left can be told

export class Review {
  /** @type {Picture | null} */
  #picture = null;
  #began = 0;
  #done = 0;

  /**
   * @param {{pictures: () => Picture[], leave: () => void}} options `pictures` returns those to go through, `leave` goes
   *   back to the sheet.
   */
  constructor({ pictures, leave }) {
    this.pictures = pictures;
    this.leave = leave;
    this.image = element("img", { class: "whole", alt: "", decoding: "async" });
    this.own = new OwnWords({ kind: "large", rows: 3 });
    this.place = element("p", { class: "place" });
    this.told = element("p", { class: "reviewed" });
    this.bar = element("progress", { "aria-label": "Reviewed", value: 0, max: 1 });
    this.limit = element("select", { "aria-label": "Most characters", onchange: () => this.#setLimit() }, ...LIMITS.map((count) => element("option", { value: count }, count ? `${count}` : "no limit")));
    this.count = element("output", { class: "count-of", id: "review-count" });
    this.warned = element("ul", { class: "warnings", "aria-label": "Warnings" });
    this.others = element("ol", { class: "others", "aria-label": "Take another" });
    this.own.node.setAttribute("aria-describedby", "review-count");
    const keyed = (/** @type {string} */ key, /** @type {string} */ text, /** @type {() => unknown} */ act, kind = "") => element("button", { type: "button", class: kind, onclick: act }, text, " ", element("kbd", {}, key));
    this.person = keyed("P", "Say “person”", () => this.#say());
    this.skipped = button("The skipped ones", "again", () => this.#again());
    this.desk = element(
      "div",
      { class: "review-desk" },
      element("div", { class: "mat" }, this.image),
      element(
        "div",
        { class: "review-side" },
        this.place,
        this.own.node,
        element("p", { class: "counting" }, this.count, " of ", this.limit, " characters"),
        this.warned,
        element(
          "p",
          { class: "actions" },
          keyed("Enter", "Accept", () => this.#accept(), "primary"),
          keyed("D", "Decorative", () => this.#act(acts.decorate)),
          keyed("S", "Skip", () => this.#act(acts.skip)),
          this.person,
        ),
        this.others,
        element("p", { class: "hint" }, element("kbd", {}, "E"), " writes, ", element("kbd", {}, "Esc"), " ends writing, ", element("kbd", {}, "←"), " ", element("kbd", {}, "→"), " go back and forth, ", element("kbd", {}, "Ctrl"), " ", element("kbd", {}, "Z"), " undoes, also over pictures."),
      ),
    );
    this.end = element("div", { class: "empty", hidden: true }, element("h2", {}, "All of them are reviewed."), element("p", {}, "Ctrl Z goes back to the last one. On the sheet they can be exported."), element("p", { class: "actions" }, button("To the sheet", "sheet", leave, "primary"), this.skipped));
    this.node = element(
      "div",
      { class: "review", role: "group", "aria-label": "Review", tabindex: -1, hidden: true, onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
      element("div", { class: "bar-top" }, element("h1", {}, "Review"), this.bar, this.told, button("To the sheet", "sheet", leave, "small")),
      this.desk,
      this.end,
    );
    album.on("selected", (picture) => this.#isOpen && picture && this.#show(picture));
    album.on("changed", (picture) => this.#isOpen && this.#changed(picture));
    album.on("added", () => this.#isOpen && !this.#picture && this.#next());
    album.on("removed", (picture) => this.#isOpen && picture === this.#picture && this.#next());
  }

  get #isOpen() {
    return this.node.checkVisibility();
  }

  #changed(/** @type {Picture} */ picture) {
    if (picture === this.#picture) this.#draw();
    else if (!this.#picture && picture.review === "draft") this.#show(picture); // it was undone at the end
  }

  /** Begins with the picture that is least sure among those that nobody has settled. */
  open() {
    if (!this.node.hidden) return;
    this.node.hidden = false;
    this.#began = Date.now();
    this.#done = 0;
    this.#picture = null;
    this.limit.value = String(store.notes.limit ?? 125);
    store.ready.then(() => (this.limit.value = String(store.notes.limit ?? 125)));
    this.#next();
    this.node.focus();
  }

  close() {
    this.node.hidden = true;
  }

  /** All pictures, the least confident first; those that the network has no words for come last. */
  get #order() {
    return this.pictures().sort((one, other) => (one.best?.confidence ?? 2) - (other.best?.confidence ?? 2));
  }

  #next() {
    const order = this.#order;
    const place = this.#picture ? order.indexOf(this.#picture) : -1;
    const isOpen = (/** @type {Picture} */ picture) => picture.review === "draft";
    this.#show(order.slice(place + 1).find(isOpen) ?? order.find(isOpen) ?? null);
  }

  /** Goes back to those that were skipped. */
  #again() {
    const skipped = this.#order.filter(({ review }) => review === "skipped");
    this.#show(skipped[0] ?? null);
    this.node.focus();
  }

  #walk(/** @type {number} */ by) {
    const order = this.#order;
    const to = order[this.#picture ? order.indexOf(this.#picture) + by : 0];
    if (to) this.#show(to);
  }

  #show(/** @type {Picture | null} */ picture) {
    if (picture === this.#picture && picture) return this.#draw();
    this.#picture = picture;
    if (picture) {
      album.select(picture);
      this.image.src = picture.url;
    }
    this.#draw();
    if (!picture) {
      if (album.pictures.length) announce("All of them are reviewed.");
      return;
    }
    const warned = [...this.warned.children].map(({ textContent }) => textContent).join(" ");
    announce(`${this.place.textContent}. ${asText(picture)} ${warned}`);
  }

  #draw() {
    const picture = this.#picture;
    const all = album.pictures;
    const count = (/** @type {string} */ status) => all.filter(({ review }) => review === status).length;
    const [decorative, skipped] = [count("decorative"), count("skipped")];
    const done = count("reviewed") + decorative;
    this.bar.max = all.length || 1;
    this.bar.value = done;
    const parts = [`${done} of ${all.length} reviewed`, decorative && `${decorative} decorative`, skipped && `${skipped} skipped`, this.#left(all.length - done)];
    this.told.textContent = parts.filter(Boolean).join(", ");
    this.desk.hidden = !picture;
    this.end.hidden = picture !== null || !all.length;
    this.skipped.hidden = skipped === 0;
    if (!picture) return;
    this.own.show(picture);
    const text = asText(picture);
    this.image.alt = text || picture.name;
    this.place.textContent = `${this.#order.indexOf(picture) + 1} of ${this.pictures().length} · ${picture.name} · ${picture.status === "failed" ? (picture.error?.sentence ?? "failed") : picture.status}`;
    this.person.hidden = !guesses(text);
    const limit = Number(this.limit.value);
    this.count.textContent = String(text.length);
    this.count.classList.toggle("over", limit > 0 && text.length > limit);
    const twins = text ? all.filter((other) => other !== picture && asText(other) === text).map(({ name }) => name) : [];
    const told = picture.review === "decorative" ? [] : warnings(text, { limit, twins, tokens: picture.edited === null ? (picture.best?.tokens ?? []) : [] });
    this.warned.replaceChildren(...told.map((warning) => element("li", {}, warning)));
    this.others.replaceChildren(...this.#alternatives(picture));
  }

  /** The text that it had, and the network's captions, each with its key. */
  #alternatives(/** @type {Picture} */ picture) {
    const row = (/** @type {number} */ key, /** @type {string} */ text, /** @type {Node} */ about, /** @type {boolean} */ pressed) =>
      element("li", {}, element("button", { type: "button", class: "other", "aria-pressed": String(pressed), onclick: () => this.#take(key) }, element("span", { class: "text" }, element("kbd", {}, String(key)), " ", text), about));
    const existing = picture.existing ? [row(0, picture.existing, element("span", { class: "sureness" }, "as it was"), picture.edited === picture.existing)] : [];
    return [...existing, ...(picture.answer?.captions ?? []).slice(0, 9).map((caption, place) => row(place + 1, sentence(caption.text || (caption.original ?? "")), sureness(caption), caption === picture.best && picture.edited === null))];
  }

  /** What there is left to do, at the pace of this review. */
  #left(/** @type {number} */ open) {
    if (this.#done < PACE || !open) return "";
    const minutes = Math.ceil(((Date.now() - this.#began) / this.#done) * (open / 60_000));
    return `about ${minutes} min left`;
  }

  #setLimit() {
    store.note("limit", Number(this.limit.value));
    this.#draw();
    this.node.focus();
  }

  #act(/** @type {(picture: Picture) => void} */ act) {
    if (!this.#picture) return;
    act(this.#picture);
    this.#done += 1;
    this.#next();
    this.node.focus();
  }

  #accept() {
    const text = this.own.node.value.trim();
    if (text) this.#act((picture) => acts.accept(picture, text));
    else announce("It has no words. If the picture is decorative, press D.");
  }

  #take(/** @type {number} */ key) {
    const picture = this.#picture;
    if (!picture) return;
    if (key === 0 && picture.existing) acts.write(picture, picture.existing);
    else if (picture.answer?.captions[key - 1]) acts.choose(picture, key - 1);
    else return;
    this.node.focus();
    announce(asText(picture));
  }

  #key(/** @type {KeyboardEvent} */ event) {
    const { target, key } = event;
    const writing = target === this.own.node;
    if (isUndo(event) && (!writing || this.own.untouched)) {
      event.preventDefault();
      undo();
      this.node.focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || target instanceof HTMLSelectElement) return;
    const act = writing ? this.#writingKeys[key] : target instanceof HTMLButtonElement && (key === "Enter" || key === " ") ? null : (this.#keys[key.toLowerCase()] ?? (/^\d$/.test(key) && (() => this.#take(Number(key)))));
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** @type {Record<string, () => void>} */
  #writingKeys = {
    Enter: () => this.#accept(),
    Escape: () => this.node.focus(),
  };

  /** @type {Record<string, () => void>} */
  #keys = {
    enter: () => this.#accept(),
    d: () => this.#act(acts.decorate),
    s: () => this.#act(acts.skip),
    e: () => this.#write(),
    p: () => this.#say(),
    arrowleft: () => this.#walk(-1),
    arrowright: () => this.#walk(1),
    escape: () => this.leave(),
  };

  /** Says "person" where the text guesses at gender. */
  #say() {
    const picture = this.#picture;
    if (!picture || !guesses(asText(picture))) return;
    acts.write(picture, neutral(asText(picture)));
    this.node.focus();
    announce(asText(picture));
  }

  #write() {
    const { node } = this.own;
    node.focus();
    node.setSelectionRange(node.value.length, node.value.length);
  }
}
