/** What the browser keeps of this page from one visit to the next, in IndexedDB. */

import { Emitter } from "./emitter.js";

const NAME = "recap";
const PAUSE = 150; // milliseconds from a change until it is written, with others that come meanwhile
const PATIENCE = 1000; // milliseconds that a page which is just being left may take to let go

/** @typedef {"pictures" | "files" | "thumbnails" | "notes"} Kind */
/** @type {Kind[]} */
const KINDS = ["pictures", "files", "thumbnails", "notes"];

/**
 * The store. One tab keeps: another that is opened beside it would overwrite what the first one has, and takes over when
 * that is closed. `state` says how it is: kept, elsewhere (another tab keeps), off (the browser forbids it) or full. Emits
 * `changed` with it.
 *
 * @extends {Emitter<{changed: void}>}
 */
class Store extends Emitter {
  /** @type {"opening" | "kept" | "elsewhere" | "off" | "full"} */
  state = "opening";
  /** Values by their names: settings, and what is small. */
  /** @type {Record<string, any>} */
  notes = {};
  /** @type {IDBDatabase | null} */
  #database = null;
  /** @type {Map<Kind, Map<IDBValidKey, (() => unknown) | null>>} */
  #changes = new Map(KINDS.map((kind) => [kind, new Map()])); // by key: what makes the value, or null for none
  #timer = 0;
  #opened = Promise.withResolvers();

  /** When it is known what was kept, or that another tab keeps it. */
  get ready() {
    return this.#opened.promise;
  }

  /** Starts to keep; returns when it does, which may be when another tab is closed, or not at all. */
  async open() {
    addEventListener("pagehide", () => this.write());
    document.addEventListener("visibilitychange", () => document.hidden && this.write());
    const late = setTimeout(() => this.#turn("elsewhere"), PATIENCE);
    try {
      await alone();
      clearTimeout(late);
      this.#database = await open();
      this.notes = { ...Object.fromEntries(await this.read("notes")), ...this.notes };
      this.#turn("kept");
      this.#writeSoon();
    } catch (error) {
      clearTimeout(late);
      console.error(error);
      this.#turn("off");
    }
  }

  #turn(/** @type {Store["state"]} */ state) {
    if (this.state === state) return;
    this.state = state;
    this.#opened.resolve(null);
    this.emit("changed");
  }

  /** Everything of a kind, by its key, in the order of keys. */
  async read(/** @type {Kind} */ kind) {
    return this.#database ? entries(this.#database, kind) : [];
  }

  /** Keeps a value, which `make` returns when it is written; null forgets it. */
  keep(/** @type {Kind} */ kind, /** @type {IDBValidKey} */ key, /** @type {(() => unknown) | null} */ make) {
    this.#changes.get(kind)?.set(key, make);
    this.#writeSoon();
  }

  /** Keeps a note, and has it at hand. */
  note(/** @type {string} */ name, /** @type {unknown} */ value) {
    this.notes[name] = value;
    this.keep("notes", name, () => value);
  }

  #writeSoon() {
    this.#timer ||= setTimeout(() => this.write(), PAUSE);
  }

  /** Writes what has changed, each kind by itself: where there is no room for a picture, there is for a caption. */
  write() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (!this.#database) return;
    for (const [kind, changes] of this.#changes) {
      if (!changes.size) continue;
      const work = this.#database.transaction(kind, "readwrite", { durability: "relaxed" });
      const kept = work.objectStore(kind);
      for (const [key, make] of changes) {
        if (make) kept.put(make(), key);
        else kept.delete(key);
      }
      changes.clear();
      work.addEventListener("abort", () => {
        console.error(work.error);
        this.#turn("full");
      });
      work.commit(); // at once, so that it is done even if the page goes away
    }
  }

  /** Forgets everything, and keeps nothing more until the page is loaded again. */
  async forget() {
    const database = this.#database;
    this.#database = null;
    if (!database) return;
    const work = database.transaction(KINDS, "readwrite");
    for (const kind of KINDS) work.objectStore(kind).clear();
    await new Promise((resolve, reject) => {
      work.addEventListener("complete", resolve);
      work.addEventListener("abort", () => reject(work.error));
    });
  }
}

/** Resolves once no other tab of this page is open. Where browsers have no locks, on pages without TLS, that is at once. */
function alone() {
  return new Promise((resolve) => {
    const hold = () => {
      resolve(null);
      return new Promise(() => {}); // until the tab is closed
    };
    if (navigator.locks) navigator.locks.request(NAME, hold);
    else resolve(null);
  });
}

/** Everything of a kind that the browser keeps, whichever tab it is that keeps it. */
export async function peek(/** @type {Kind} */ kind) {
  return entries(await open(), kind);
}

async function entries(/** @type {IDBDatabase} */ database, /** @type {Kind} */ kind) {
  const all = database.transaction(kind).objectStore(kind);
  const [keys, values] = await Promise.all([settled(all.getAllKeys()), settled(all.getAll())]);
  return keys.map((key, place) => /** @type {[any, any]} */ ([key, values[place]]));
}

function open() {
  const request = indexedDB.open(NAME, 1);
  request.addEventListener("upgradeneeded", () => {
    for (const kind of KINDS) request.result.createObjectStore(kind);
  });
  return settled(request);
}

/**
 * @template Value
 * @param {IDBRequest<Value>} request
 * @returns {Promise<Value>}
 */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}

export const store = new Store();
