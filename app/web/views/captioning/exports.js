/** Captions as files: CSV, JSON lines as `recap caption --jsonl` writes them, HTML and Markdown. */

import { asCsv } from "./csv.js";
import { asAlt, asText } from "./formats.js";

/** @typedef {import("./album.js").Picture} Picture */

/** The columns of CSV: what each has of a picture. */
/** @type {Record<string, (picture: Picture) => string>} */
export const COLUMNS = {
  file: ({ name }) => name,
  alt: asText,
  caption: ({ caption }) => caption,
  status: ({ status }) => status,
  confidence: ({ best }) => best?.confidence.toFixed(4) ?? "",
  needs_review: ({ best }) => (best?.needs_review ? "yes" : "no"),
  edited: ({ edited }) => (edited === null ? "no" : "yes"),
  tags: ({ answer }) => answer?.tags?.map(({ name }) => name).join(", ") ?? "",
  model: ({ answer }) => answer?.model.name ?? "",
  existing: ({ existing }) => existing,
  sha256: ({ sha256 }) => sha256,
  error: (picture) => (picture.answer || picture.settled ? "" : failure(picture).message),
};

/** @typedef {{name: string, type: string, write: (pictures: Picture[], columns: string[]) => string}} Format */

/** @type {Record<string, Format>} */
export const FORMATS = {
  CSV: { name: "captions.csv", type: "text/csv", write: (pictures, columns) => asCsv([columns, ...pictures.map((picture) => columns.map((column) => COLUMNS[column](picture)))]) },
  "JSON lines": { name: "captions.jsonl", type: "application/jsonl", write: (pictures) => pictures.map((picture) => `${JSON.stringify(line(picture))}\n`).join("") },
  HTML: { name: "captions.html", type: "text/html", write: (pictures) => pictures.map((picture) => `<img src="${address(picture)}"${isNamed(picture) ? ` ${asAlt(picture)}` : ""}>\n`).join("") },
  Markdown: { name: "captions.md", type: "text/markdown", write: (pictures) => pictures.map((picture) => `![${asText(picture).replace(/[\\[\]]/g, "\\$&")}](${address(picture)})\n`).join("\n") },
};

/** Whether there is a text, or none on purpose: an `alt` that is missing is found by the tools that look for such. */
function isNamed(/** @type {Picture} */ picture) {
  return picture.review === "decorative" || asText(picture) !== "";
}

function address(/** @type {Picture} */ { name }) {
  return name.split("/").map(encodeURIComponent).join("/").replace(/[()']/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
}

/** A line of JSON; captions that a person wrote have `edited`, those that one has settled `alt` and `status`. */
function line(/** @type {Picture} */ picture) {
  const { name, caption, edited, answer, review, sha256, existing } = picture;
  const own = { ...(edited === null ? {} : { edited: true }), ...(review === "draft" ? {} : { status: review }), ...(picture.settled ? { alt: asText(picture) } : {}), ...(existing && { existing }), ...(sha256 && { sha256 }) };
  if (!answer) return picture.settled ? { file: name, caption, ...own } : { file: name, ...own, error: failure(picture) };
  const captions = answer.captions.map(({ text, logprob, confidence, original, needs_review }) => ({ text, logprob, confidence, original, needs_review }));
  return { file: name, caption, ...own, captions, ...(answer.tags && { tags: answer.tags }) };
}

function failure(/** @type {Picture} */ { error }) {
  return { code: error?.code ?? "unfinished", message: error?.message ?? "it has no caption yet" };
}
