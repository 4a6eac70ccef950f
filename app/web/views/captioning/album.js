/** The pictures on the page, with what the network and a person say of them. */

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

/** How far a person has come with a picture. */
/** @typedef {"draft" | "reviewed" | "decorative" | "skipped"} Review */

let latest = 0;

/** A number higher than all before, in this session and in those of other days. */
function number() {
  latest = Math.max(latest + 1, Date.now() * 1000);
  return latest;
}

/** A picture, and how far it has come. What a person has written or chosen is never changed by an answer. */
export class Picture {
  constructor(/** @type {Blob} */ file, /** @type {string} */ name, id = number()) {
    this.id = id;
    this.file = file;
    this.name = name;
    this.sha256 = ""; // of the file as it came; "" until it is known, and where the browser can't tell
    /** @type {Blob | null} */
    this.small = null; // a small copy; null until there is one, and where the browser can't show the picture
    /** @type {Map<Blob, string>} */
    this.urls = new Map();
    /** @type {"waiting" | "reading" | "writing" | "done" | "failed"} */
    this.state = "waiting";
    this.note = ""; // why it waits, where that needs saying
    /** @type {Token[]} */
    this.words = []; // of the best caption, while it is being written
    /** @type {Answer | null} */
    this.answer = null; // the server's, when done
    /** @type {URLSearchParams | null} */
    this.parameters = null; // of the request
    /** @type {import("../../shell/failure.js").Failure | null} */
    this.error = null;
    this.chosen = 0; // index of the caption that is shown
    this.tries = 0; // that failed, since it was last asked for
    /** @type {Answer | null} */
    this.told = null; // the answer that was last announced
    /** @type {{text: string | undefined, parameters: URLSearchParams | null} | null} */
    this.before = null; // caption and parameters before they were last changed

    /** @type {string | null} */
    this.edited = null; // the caption in a person's words
    /** @type {Caption | null} */
    this.kept = null; // the network's caption that a person accepted, whatever it says later
    /** @type {Review} */
    this.review = "draft";
    this.existing = ""; // the alt text that it had, from a list that was read
  }

  /** URL of the whole picture, made when it is first shown: making a hundred at once would take too long. */
  get url() {
    return this.#url(this.file);
  }

  /** URL of the small copy, if there is one. */
  get thumbnail() {
    return this.small && this.#url(this.small);
  }

  #url(/** @type {Blob} */ blob) {
    const url = this.urls.get(blob) ?? URL.createObjectURL(blob);
    this.urls.set(blob, url);
    return url;
  }

  /** Lets go of the URLs; they are made anew when the picture is shown again. */
  release() {
    for (const url of this.urls.values()) URL.revokeObjectURL(url);
    this.urls.clear();
  }

  /** Its place in addresses: the beginning of its digest, or its number. */
  get key() {
    return this.sha256.slice(0, 12) || String(this.id);
  }

  /** The network's caption that stands: the accepted one, else the one that is shown. */
  get best() {
    return this.kept ?? this.answer?.captions[this.chosen] ?? null;
  }

  /** The caption as it stands, "" while there is none, and for a decorative picture. */
  get caption() {
    return this.review === "decorative" ? "" : (this.edited ?? this.best?.text ?? "");
  }

  /** Whether the network is through with it. */
  get finished() {
    return this.state === "done" || this.state === "failed";
  }

  /** Whether a person has said what its caption is. */
  get settled() {
    return this.edited !== null || this.review === "reviewed" || this.review === "decorative";
  }

  /** Where it stands, in a word. */
  get status() {
    if (this.review !== "draft") return this.review;
    return this.finished ? (this.state === "failed" && this.edited === null ? "failed" : "draft") : "waiting";
  }
}

/** What is put back when an act is undone: the answer, and what a person made of it. */
const REMEMBERED = /** @type {const} */ (["name", "state", "answer", "parameters", "error", "chosen", "edited", "kept", "review", "existing"]);

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

  /** Adds files as pictures; names that are taken are numbered. */
  add(/** @type {import("../../shell/view.js").NamedFile[]} */ files) {
    return files.map(({ file, name }) => this.insert(new Picture(file, this.#free(name))));
  }

  /** Puts a picture at its place, by default the last. */
  insert(/** @type {Picture} */ picture, place = this.pictures.length) {
    this.pictures.splice(place, 0, picture);
    this.emit("added", picture);
    return picture;
  }

  #free(/** @type {string} */ name) {
    const taken = new Set(this.pictures.map((picture) => picture.name));
    const [, stem, suffix] = /** @type {RegExpMatchArray} */ (name.match(/^(.*?)(\.[^./]*)?$/s));
    let free = name;
    for (let count = 2; taken.has(free); count++) free = `${stem} (${count})${suffix ?? ""}`;
    return free;
  }

  remove(/** @type {Picture} */ picture) {
    const place = this.pictures.indexOf(picture);
    if (place < 0) return;
    this.pictures.splice(place, 1);
    this.emit("removed", picture);
    if (this.selected === picture) this.select(this.pictures[Math.min(place, this.pictures.length - 1)] ?? null);
    picture.release();
  }

  select(/** @type {Picture | null} */ picture) {
    if (this.selected === picture) return;
    this.selected = picture;
    this.emit("selected", picture);
  }

  has(/** @type {Picture} */ picture) {
    return this.pictures.includes(picture);
  }

  /** The picture with this key or number. */
  find(/** @type {string} */ key) {
    return this.pictures.find((picture) => key && (picture.key === key || String(picture.id) === key));
  }

  /** The picture after one, as lists of them show it; null behind the last. */
  after(/** @type {Picture} */ picture) {
    return this.pictures[this.pictures.indexOf(picture) + 1] ?? null;
  }

  /** Returns what puts these pictures back as they are now, also those that are removed meanwhile. */
  remember(/** @type {Picture[]} */ pictures) {
    const selected = this.selected;
    const states = pictures.map((picture) => ({
      picture,
      place: this.pictures.indexOf(picture),
      was: Object.fromEntries(REMEMBERED.map((name) => [name, picture[name]])),
    }));
    return () => {
      for (const { picture, place, was } of states) {
        Object.assign(picture, was);
        if (!this.has(picture)) this.insert(picture, place);
        this.emit("changed", picture);
      }
      if (selected && this.has(selected)) this.select(selected);
      return states.map(({ picture }) => picture);
    };
  }
}

export const album = new Album();
