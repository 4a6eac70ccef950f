/** A caption in the forms that it is wanted in elsewhere. */

import { address, hasKey } from "../../shell/api.js";

/** @typedef {import("./album.js").Picture} Picture */

/** As a sentence is written. */
export function asText(/** @type {Picture} */ picture) {
  const text = picture.caption;
  return text && text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** For an `img` element. */
export function asAlt(/** @type {Picture} */ picture) {
  /** @type {Record<string, string>} */
  const entities = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" };
  return `alt="${asText(picture).replace(/[&"<>]/g, (character) => entities[character])}"`;
}

/** What the server answered, but for what is only seen: attention and beam tree. */
export function asJson(/** @type {Picture} */ picture) {
  const { tree, ...answer } = /** @type {import("./album.js").Answer} */ (picture.answer);
  const captions = answer.captions.map(({ tokens, ...caption }) => ({
    ...caption,
    tokens: tokens.map(({ attention, ...token }) => token),
  }));
  return JSON.stringify({ file: picture.name, caption: picture.caption, ...answer, captions }, null, 2);
}

/** The command that asks the same of the same picture, in a folder where it lies. */
export function asCurl(/** @type {Picture} */ picture) {
  const query = String(picture.parameters ?? "");
  const url = address("v1/captions") + (query && `?${query}`);
  const name = picture.name.slice(picture.name.lastIndexOf("/") + 1).replace(/["\\]/g, "\\$&"); // curl's own quotes, for names with ; or ,
  const key = hasKey() ? ` -H "Authorization: Bearer $RECAP_KEY"` : "";
  return `curl${key} -F ${quoted(`image=@"${name}"`)} ${quoted(url)}`;
}

/** A word of a shell's line. */
function quoted(/** @type {string} */ text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
