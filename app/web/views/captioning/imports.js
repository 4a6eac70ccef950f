/** Lists that were exported, or that a site has: texts are read from them for the pictures that are here. */

import { announce, notice } from "../../shell/messages.js";
import { remembered } from "./acts.js";
import { album } from "./album.js";
import { fromCsv } from "./csv.js";
import { sentence } from "./formats.js";

/** @typedef {import("./album.js").Picture} Picture */
/** @typedef {{file: string, sha256: string, text: string, status: string, edited: boolean, own: boolean, caption: string, confidence: number, existing: string}} Row `own` is whether Recap wrote it. */

/** Names of columns, by what they have. */
/** @type {Record<string, RegExp>} */
const NAMES = {
  file: /^(file|file ?name|name|image|picture|path|src|url)$/i,
  text: /^(alt|alt[_ -]?text|alternative[_ -]?text|description)$/i,
  caption: /^caption$/i,
};

/** Reads a list, and gives its texts to the pictures that it names. */
export async function readList(/** @type {Blob} */ file, /** @type {string} */ name) {
  const text = await file.text();
  const rows = /\.(jsonl|ndjson)$/i.test(name) ? fromLines(text) : fromTable(text);
  if (!rows.length) {
    notice(`${name} has no column that names files, or no line. A list wants “file” and “alt” in its first line, or JSON with these on each.`);
    return;
  }
  /** @type {[Picture, Row][]} */
  const pairs = [];
  const lost = [];
  for (const row of rows) {
    const picture = match(row);
    if (picture) pairs.push([picture, row]);
    else lost.push(row.file);
  }
  const back = album.remember(pairs.map(([picture]) => picture));
  for (const [picture, row] of pairs) {
    apply(picture, row);
    album.emit("changed", picture);
  }
  const told = `${name}: ${pairs.length} of ${rows.length} texts read${rows.some(({ own }) => own) ? "" : "; pictures that had none are yours to review"}.`;
  if (pairs.length) remembered(told, back);
  if (lost.length) notice(`${name} names ${lost.length} ${lost.length === 1 ? "picture that is" : "pictures that are"} not here: ${lost.slice(0, 3).join(", ")}${lost.length > 3 ? " …" : ""}. Drop the pictures first, then the list.`);
  else announce(told);
}

/** @returns {Row[]} */
function fromTable(/** @type {string} */ text) {
  const [head = [], ...rows] = fromCsv(text);
  const find = (/** @type {RegExp} */ name) => head.findIndex((title) => name.test(title.trim()));
  const columns = Object.fromEntries(Object.entries({ ...NAMES, sha256: /^sha256$/, status: /^status$/, edited: /^edited$/, confidence: /^confidence$/, existing: /^existing$/ }).map(([name, pattern]) => [name, find(pattern)]));
  if (columns.file < 0 || (columns.text < 0 && columns.caption < 0)) return [];
  const own = columns.status >= 0 && columns.edited >= 0;
  return rows.map((row) => {
    const cell = (/** @type {string} */ name) => row[columns[name]] ?? "";
    return { file: cell("file"), sha256: cell("sha256"), text: columns.text < 0 ? cell("caption") : cell("text"), status: cell("status"), edited: cell("edited") === "yes", own, caption: cell("caption"), confidence: Number(cell("confidence")), existing: cell("existing") };
  });
}

/** @returns {Row[]} */
function fromLines(/** @type {string} */ text) {
  return text.split(/\r?\n/).flatMap((line) => {
    try {
      const { file, alt, caption = "", sha256 = "", status = "draft", edited = false, captions, existing = "" } = JSON.parse(line);
      if (typeof file !== "string") return [];
      const best = captions?.find((/** @type {{text: string}} */ one) => one.text === caption);
      return [{ file, sha256, text: String(alt ?? caption), status, edited, own: captions !== undefined || status !== "draft" || edited, caption, confidence: Number(best?.confidence ?? 0), existing }];
    } catch {
      return []; // an empty line, or one that was cut
    }
  });
}

/** The last part of a path or URL, decoded. */
function end(/** @type {string} */ path) {
  const last = path.split("/").at(-1) ?? path;
  try {
    return /^https?:/.test(path) ? decodeURIComponent(last.split(/[?#]/)[0]) : last;
  } catch {
    return last; // a percent sign that is one
  }
}

/** The picture that a row means: by the digest, the name, or the end of a path or URL, if that is one picture's alone. */
function match(/** @type {Row} */ { file, sha256 }) {
  const same = album.pictures.filter((picture) => picture.name === file);
  const alike = album.pictures.filter((picture) => end(picture.name) === end(file));
  return album.pictures.find((picture) => sha256 && picture.sha256 === sha256 && (same.length === 0 || picture.name === file)) ?? same[0] ?? (alike.length === 1 ? alike[0] : undefined);
}

/** Takes what a person had settled. Texts that a site has stay as they are: only pictures that lack one are open to review. */
function apply(/** @type {Picture} */ picture, /** @type {Row} */ { text, status, edited, own, caption, confidence, existing }) {
  if (!own) {
    if (!text.trim()) return;
    Object.assign(picture, { existing: text, edited: text, review: "reviewed" });
    return;
  }
  const review = /** @type {import("./album.js").Review} */ (["reviewed", "decorative", "skipped"].includes(status) ? status : "draft");
  const accepted = review === "reviewed" && !edited && sentence(caption) === text;
  const tokens = caption.split(" ").map((word) => ({ text: word, logprob: 0 }));
  Object.assign(picture, { review, existing, edited: edited || (review === "reviewed" && !accepted) ? text : picture.edited, kept: accepted ? (picture.answer?.captions.find((one) => one.text === caption) ?? { text: caption, logprob: 0, confidence, tokens }) : picture.kept });
}
