/** Acts of a person on pictures. Each can be undone. */

import { undoable } from "../../shell/undo.js";
import { album } from "./album.js";
import { sentence } from "./formats.js";
import { caption, withdraw } from "./queue.js";

/** @typedef {import("./album.js").Picture} Picture */

/**
 * Changes pictures, and remembers how they were.
 *
 * @param {string} told What was done, as a sentence.
 * @param {Picture[]} pictures
 * @param {() => void} change
 * @param {{quiet?: boolean}} [options] As for `undoable`.
 */
function act(told, pictures, change, options) {
  const back = album.remember(pictures);
  change();
  for (const picture of pictures) if (album.has(picture)) album.emit("changed", picture);
  remembered(told, back, options);
}

/** Makes something that was done undoable, by what `album.remember` returned before. */
export function remembered(/** @type {string} */ told, /** @type {() => Picture[]} */ back, /** @type {{quiet?: boolean}} */ options = {}) {
  undoable(
    told,
    () => {
      const pictures = back();
      for (const picture of pictures) withdraw(picture);
      caption(pictures.filter(({ finished }) => !finished));
    },
    options,
  );
}

/** Takes pictures off the page. */
export function remove(/** @type {Picture[]} */ pictures) {
  const told = pictures.length === 1 ? `${pictures[0].name} removed.` : `${pictures.length} pictures removed.`;
  act(told, pictures, () => {
    for (const picture of pictures) album.remove(picture);
  });
}

/** Shows another of the network's captions in place of the one that stands. */
export function choose(/** @type {Picture} */ picture, /** @type {number} */ place) {
  const own = picture.edited !== null;
  act(own ? `Your words for ${picture.name} replaced.` : "Another caption chosen.", [picture], () => Object.assign(picture, { chosen: place, edited: null, kept: null, review: "draft" }), { quiet: !own });
}

/** Adds a caption that goes on from another word, and shows it. */
export function rewrite(/** @type {Picture} */ picture, /** @type {import("./album.js").Caption} */ caption) {
  const { answer } = picture;
  if (!answer) return;
  const same = answer.captions.findIndex(({ text }) => text === caption.text);
  const captions = same < 0 ? [...answer.captions, caption] : answer.captions;
  const own = picture.edited !== null;
  act("Written anew from another word.", [picture], () => Object.assign(picture, { answer: { ...answer, captions }, told: null, chosen: same < 0 ? captions.length - 1 : same, edited: null, kept: null, review: "draft" }), { quiet: !own });
}

/** Goes back from a person's words to the network's. */
export function restore(/** @type {Picture} */ picture) {
  act(`Your words for ${picture.name} taken back.`, [picture], () => Object.assign(picture, { edited: null, review: "draft" }));
}

/** Asks anew for the captions of all pictures that nobody has settled. */
export function captionAll() {
  const open = album.pictures.filter(({ settled }) => !settled);
  const kept = album.pictures.length - open.length;
  const told = `${open.length} ${open.length === 1 ? "picture is" : "pictures are"} captioned anew${kept ? `; ${kept} that you have settled ${kept === 1 ? "stays" : "stay"} as ${kept === 1 ? "it is" : "they are"}` : ""}.`;
  const back = album.remember(open);
  caption(open);
  remembered(told, back);
}

/** Accepts a caption: the network's as it stands, or these words. */
export function accept(/** @type {Picture} */ picture, /** @type {string} */ words) {
  const best = picture.best;
  const same = best && words === sentence(best.text);
  act(`${picture.name} reviewed.`, [picture], () => Object.assign(picture, same ? { kept: best, edited: null, review: "reviewed" } : { edited: words, review: "reviewed" }), { quiet: true });
}

/** Says that a picture needs no words: its `alt` is empty. */
export function decorate(/** @type {Picture} */ picture) {
  act(`${picture.name} is decorative.`, [picture], () => Object.assign(picture, { review: "decorative" }), { quiet: true });
}

/** Leaves a picture for later. */
export function skip(/** @type {Picture} */ picture) {
  act(`${picture.name} skipped.`, [picture], () => Object.assign(picture, { review: "skipped" }), { quiet: true });
}

/** Puts words in the place of a caption, as a person would write them. */
export function write(/** @type {Picture} */ picture, /** @type {string} */ words) {
  act(`Caption of ${picture.name} changed.`, [picture], () => Object.assign(picture, { edited: words, review: "draft" }), { quiet: true });
}
