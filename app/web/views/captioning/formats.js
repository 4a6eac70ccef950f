/** A caption in the formats in which it is copied. */

import { address, hasKey } from "../../shell/api.js";

/** @typedef {import("./album.js").Picture} Picture */

/** A caption of the network with a capital and a full stop. */
export function sentence(/** @type {string} */ text) {
  return text && text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** The caption as a sentence; a person's own words as they are. */
export function asText(/** @type {Picture} */ { review, edited, best }) {
  return review === "decorative" ? "" : (edited ?? sentence(best?.text ?? ""));
}

/** An `alt` attribute for an `img` element. */
export function asAlt(/** @type {Picture} */ picture) {
  return `alt="${escaped(asText(picture))}"`;
}

/** A text for HTML, also between quotes. */
export function escaped(/** @type {string} */ text) {
  /** @type {Record<string, string>} */
  const entities = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" };
  return text.replace(/[&"<>]/g, (character) => entities[character]);
}

/** The server's answer, without attention and beam tree, which serve only to be seen. */
export function asJson(/** @type {Picture} */ picture) {
  const { tree, ...answer } = /** @type {import("./album.js").Answer} */ (picture.answer);
  const captions = answer.captions.map(({ tokens, ...caption }) => ({
    ...caption,
    tokens: tokens.map(({ attention, ...token }) => token),
  }));
  return JSON.stringify({ file: picture.name, caption: picture.caption, ...answer, captions }, null, 2);
}

/** A command that makes the same request, to be run in the picture's folder. */
export function asCurl(/** @type {Picture} */ picture) {
  const query = String(picture.parameters ?? "");
  const url = address("v1/captions") + (query && `?${query}`);
  const name = picture.name.slice(picture.name.lastIndexOf("/") + 1).replace(/["\\]/g, "\\$&"); // curl's own quotes, for names with ; or ,
  const key = hasKey() ? ` -H "Authorization: Bearer $RECAP_KEY"` : "";
  return `curl${key} -F ${quoted(`image=@"${name}"`)} ${quoted(url)}`;
}

/** Quotes a word for a shell. */
function quoted(/** @type {string} */ text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
