/** The queue of pictures to caption: several at a time, tried again while the server is busy. One failure stops no other. */

import { cut, stream } from "../../shell/api.js";
import { askForKey } from "../../shell/keys.js";
import { clearNotice, notice } from "../../shell/messages.js";
import { models } from "../../shell/models.js";
import { percent } from "../../shell/percent.js";
import { album } from "./album.js";
import { decoding } from "./decoding.js";

/** @typedef {import("./album.js").Picture} Picture */
/** @typedef {import("../../shell/failure.js").Failure} Failure */

/** Requests at a time: browsers open six connections to a server, and the page needs some for other things. */
const AT_ONCE = 4;
/** Retries by code or status. A busy server may say "later" often; one that can't be reached is waited for without end. */
/** @type {Record<string, number>} */
const TRIES = { 429: 100, 502: 60, 503: 60, 504: 60, cut: 5, unreachable: Number.POSITIVE_INFINITY };
const AWAY = "The server can't be reached. It is tried again and again; what has no caption yet waits, and nothing is lost.";

/** @type {Picture[]} */
const waiting = [];
/** @type {Map<Picture, AbortController>} */
const running = new Map();
let pausedUntil = 0;
/** @type {number | undefined} */
let timer;

/** Queues pictures behind those that wait, or before them; a picture that waits or runs begins anew. */
export function caption(/** @type {Picture[]} */ pictures, { first = false } = {}) {
  for (const picture of pictures) {
    withdraw(picture);
    picture.before = picture.answer ? { text: picture.answer.captions[0]?.text, parameters: picture.parameters } : null;
    picture.tries = 0;
    put(picture, "waiting");
  }
  if (first) waiting.unshift(...pictures);
  else waiting.push(...pictures);
  next();
}

/** Ends a pause, as when a key was entered. */
export function resume() {
  pausedUntil = 0;
  next();
}

album.on("removed", withdraw);
addEventListener("online", resume);

/** Takes a picture out of the queue, also while the server works on it. */
export function withdraw(/** @type {Picture} */ picture) {
  const place = waiting.indexOf(picture);
  if (place >= 0) waiting.splice(place, 1);
  running.get(picture)?.abort();
  running.delete(picture);
}

function put(/** @type {Picture} */ picture, /** @type {Picture["state"]} */ state, /** @type {Partial<Picture>} */ changes = {}) {
  Object.assign(picture, { state, note: "", ...changes });
  album.emit("changed", picture);
}

function next() {
  clearTimeout(timer);
  const pause = pausedUntil - Date.now();
  if (pause > 0) {
    timer = setTimeout(next, pause);
    return;
  }
  while (running.size < AT_ONCE) {
    const picture = waiting.shift();
    if (!picture) return;
    run(picture);
  }
}

async function run(/** @type {Picture} */ picture) {
  const control = new AbortController();
  running.set(picture, control);
  try {
    if (!decoding.card) await models.load();
    await write(picture, control.signal);
  } catch (reason) {
    const error = /** @type {Failure} */ (reason);
    if (control.signal.aborted) return; // withdrawn: it was removed, or asked for again
    if (picture.tries < (TRIES[error.code] ?? TRIES[error.status] ?? 0)) retry(picture, error);
    else put(picture, "failed", { error });
    if (error.status === 401) askForKey(error);
  } finally {
    if (running.get(picture) === control) running.delete(picture);
    next();
  }
}

async function write(/** @type {Picture} */ picture, /** @type {AbortSignal} */ signal) {
  const parameters = decoding.parameters;
  put(picture, "reading", { parameters, words: [], error: null });
  const extras = new URLSearchParams(parameters);
  if (decoding.card?.decoder !== "show-and-tell") extras.set("attention", "true");
  if (decoding.values.method !== "sample") extras.set("tree", "true");
  if (decoding.card?.tags) extras.set("tags", "true");
  const body = new FormData();
  body.append("image", picture.file, "picture");
  const sent = (/** @type {number} */ share) => {
    if (signal.aborted || picture.state !== "reading") return;
    const note = share < 1 ? `Sending, ${percent(share)}` : "";
    if (note !== picture.note) put(picture, "reading", { note });
  };
  for await (const { name, data } of stream(`v1/captions/stream?${extras}`, { body, signal, sent })) {
    if (signal.aborted) return;
    clearNotice(AWAY);
    if (name === "image") put(picture, "writing");
    else if (name === "caption") put(picture, "done", { answer: data, ...again(picture, data) });
    else if (name === "token" && data.index === 0) {
      picture.words.push(data.token);
      album.emit("word", picture);
    }
  }
  if (picture.state !== "done" && !signal.aborted) throw cut("caption");
}

/** What a person chose or accepted, found again in a new answer. */
function again(/** @type {Picture} */ { answer, chosen, kept }, /** @type {import("./album.js").Answer} */ { captions }) {
  const text = chosen && answer?.captions[chosen]?.text;
  const place = text ? captions.findIndex((caption) => caption.text === text) : 0;
  return { chosen: Math.max(0, place), kept: captions.find((caption) => caption.text === kept?.text) ?? kept };
}

/** Puts a picture back at the head of the queue and pauses: the others would fare the same. */
function retry(/** @type {Picture} */ picture, /** @type {Failure} */ error) {
  picture.tries += 1;
  const seconds = error.retryAfter ?? Math.min(picture.tries, 5);
  if (error.code === "unreachable") notice(AWAY);
  pausedUntil = Date.now() + 1000 * seconds;
  waiting.unshift(picture);
  put(picture, "waiting", { note: `${error.sentence} Trying again in ${seconds} s.` });
}
