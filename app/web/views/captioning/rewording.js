/** Other words in a caption: the likeliest in the place of one, and the sentence that follows from another. */

import { ask } from "../../shell/api.js";
import { notice } from "../../shell/messages.js";
import { rewrite, write } from "./acts.js";
import { sentence } from "./formats.js";

/** @typedef {import("./album.js").Picture} Picture */
/** @typedef {import("./album.js").Caption} Caption */
/** @typedef {[text: string, logprob: number]} Choice `text` is "" for the end of the sentence. */

const COUNT = 5;
/** @type {WeakMap<Caption, Promise<Choice[][]>>} */
const known = new WeakMap();

/** The likeliest words in the place of each word of a caption, likeliest first; asked for once. */
export function choices(/** @type {Picture} */ picture, /** @type {Caption} */ caption) {
  const found = known.get(caption) ?? find(picture, caption);
  known.set(caption, found);
  found.catch(() => known.delete(caption));
  return found;
}

/** Asks for the caption itself: with all of its words as the prefix, what it might have said instead is what is new. */
async function find(/** @type {Picture} */ picture, /** @type {Caption} */ { tokens }) {
  const parameters = new URLSearchParams({
    method: "greedy",
    num_captions: "1",
    prefix: tokens.map(({ text }) => text).join(" "),
    min_length: "0",
    max_length: String(tokens.length + 1),
    top_logprobs: String(COUNT),
  });
  for (const name of ["model", "neutral"]) if (picture.parameters?.has(name)) parameters.set(name, picture.parameters.get(name) ?? "");
  const answer = await send(picture, parameters);
  /** @type {{top_logprobs: {text?: string, logprob: number}[]}[]} */
  const words = answer.captions[0]?.tokens ?? [];
  return words.slice(0, tokens.length).map(({ top_logprobs }) => top_logprobs.map(({ text = "", logprob }) => /** @type {Choice} */ ([text, logprob])));
}

/** Puts a word in the place of another, and has the rest of the sentence written anew; it joins the other captions. */
export async function take(/** @type {Picture} */ picture, /** @type {Caption} */ { tokens }, /** @type {number} */ place, /** @type {string} */ text) {
  const before = tokens.slice(0, place).map((token) => token.text);
  if (!text) {
    write(picture, sentence(before.join(" ")));
    return;
  }
  const parameters = new URLSearchParams(picture.parameters ?? "");
  parameters.set("prefix", [...before, text].join(" "));
  parameters.set("num_captions", "1");
  if (tokens.some(({ attention }) => attention)) parameters.set("attention", "true");
  try {
    const { captions } = await send(picture, parameters);
    if (captions[0]) rewrite(picture, captions[0]);
  } catch (reason) {
    const { sentence, advice } = /** @type {import("../../shell/failure.js").Failure} */ (reason);
    notice(`${sentence} ${advice}`);
  }
}

function send(/** @type {Picture} */ { file }, /** @type {URLSearchParams} */ parameters) {
  const body = new FormData();
  body.append("image", file, "picture");
  return ask(`v1/captions?${parameters}`, { body });
}
