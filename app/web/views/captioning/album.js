/** The pictures on the page, which live as long as it does. */

import { Emitter } from "../../shell/emitter.js";

/**
 * A word of a caption, and the attention that it was written with, rows by columns.
 *
 * @typedef {{text: string, logprob: number, attention?: number[][]}} Token
 */
/**
 * A caption; where it is withheld, `text` is what is sure, and `original` the sentence of the tokens.
 *
 * @typedef {{text: string, logprob: number, confidence: number, tokens: Token[], original?: string, needs_review?: boolean}} Caption
 */
/**
 * The answer of `/v1/captions`.
 *
 * @typedef {{captions: Caption[], model: {name: string}, image: {width: number, height: number},
 *   timing_ms: Record<string, number>, tree?: import("./beam-tree.js").Tree, tags?: import("./tags.js").Tag[]}} Answer
 */

let born = 0;

/** A picture, and how far it has come. */
export class Picture {
  constructor(/** @type {Blob} */ file, /** @type {string} */ name) {
    this.id = ++born;
    this.file = file;
    this.name = name;
    /** @type {string | null} */
    this.shown = null; // URL of the whole picture, once it was needed
    /** @type {string | null} */
    this.thumbnail = null; // URL of a small copy; null until there is one, and where the browser can't show the picture
    /** @type {"waiting" | "reading" | "writing" | "done" | "failed"} */
    this.state = "waiting"; // reading, writing, done, failed
    this.note = ""; // why it waits, where that needs saying
    /** @type {Token[]} */
    this.words = []; // of the best caption, while it is being written
    /** @type {Answer | null} */
    this.answer = null; // the server's, when done
    /** @type {URLSearchParams | null} */
    this.parameters = null; // of the request
    /** @type {import("../../shell/failure.js").Failure | null} */
    this.error = null;
    /** @type {string | null} */
    this.edited = null; // the caption in a person's words
    this.chosen = 0; // index of the caption that is shown
    this.tries = 0; // that failed, since it was last asked for
    /** @type {Answer | null} */
    this.told = null; // the answer that was last announced
    /** @type {{text: string | undefined, parameters: URLSearchParams | null} | null} */
    this.before = null; // caption and parameters before they were last changed
  }

  /** URL of the whole picture, made when it is first shown: making a hundred at once would take too long. */
  get url() {
    this.shown ??= URL.createObjectURL(this.file);
    return this.shown;
  }

  /** The caption as it stands, "" while there is none. */
  get caption() {
    return this.edited ?? this.answer?.captions[this.chosen]?.text ?? "";
  }
}

/**
 * Emits what happens to its pictures: `added`, `removed`, `changed` (state, caption, or thumbnail), `word` (one more in
 * `words`), `selected` (null: none is left).
 *
 * @extends {Emitter<{added: Picture, removed: Picture, changed: Picture, word: Picture, selected: Picture | null}>}
 */
class Album extends Emitter {
  /** @type {Picture[]} */
  pictures = [];
  /** @type {Picture | null} */
  selected = null;

  add(/** @type {import("../../shell/view.js").NamedFile[]} */ files) {
    const added = files.map(({ file, name }) => new Picture(file, name));
    this.pictures.push(...added);
    for (const picture of added) this.emit("added", picture);
    return added;
  }

  remove(/** @type {Picture} */ picture) {
    const place = this.pictures.indexOf(picture);
    if (place < 0) return;
    this.pictures.splice(place, 1);
    this.emit("removed", picture);
    if (this.selected === picture) this.select(this.pictures[Math.min(place, this.pictures.length - 1)] ?? null);
    if (picture.shown) URL.revokeObjectURL(picture.shown);
    if (picture.thumbnail) URL.revokeObjectURL(picture.thumbnail);
  }

  select(/** @type {Picture | null} */ picture) {
    if (this.selected === picture) return;
    this.selected = picture;
    this.emit("selected", picture);
  }

  has(/** @type {Picture} */ picture) {
    return this.pictures.includes(picture);
  }
}

export const album = new Album();
