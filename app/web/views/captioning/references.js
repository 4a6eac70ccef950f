/** References: what people said of pictures, from the files of data sets. */

import { fromCsv } from "./csv.js";

/** @typedef {Map<string, string[]>} References Sentences by the names of pictures. */

const FILE = /^(file|file ?name|image|picture|path|url)$/i;
const SENTENCE = /^(captions?|references?|sentences?|alt|raw|text)(_?\d+)?$/i;

/**
 * Reads CSV with a line for each sentence or a column for each, JSON lines, or Karpathy's JSON. None are found in what has
 * no column, or key, that names pictures.
 *
 * @returns {References}
 */
export function readReferences(/** @type {string} */ text) {
  /** @type {References} */
  const found = new Map();
  for (const [file, sentence] of pairs(text)) {
    if (!file || !sentence.trim()) continue;
    found.set(file, [...(found.get(file) ?? []), sentence.trim()]);
  }
  return found;
}

/** @returns {[file: string, sentence: string][]} */
function pairs(/** @type {string} */ text) {
  const whole = text.replace(/^\ufeff/, "").trimStart();
  if (!whole.startsWith("{") && !whole.startsWith("[")) return fromRows(fromCsv(whole));
  const document = parsed(whole);
  if (document) return fromObjects(Array.isArray(document) ? document : (document.images ?? [document]));
  return fromObjects(whole.split(/\r?\n/).map(parsed));
}

function parsed(/** @type {string} */ text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // several lines, or one that was cut
  }
}

/** @returns {[string, string][]} */
function fromRows(/** @type {string[][]} */ [head = [], ...rows]) {
  const file = head.findIndex((name) => FILE.test(name.trim()));
  const sentences = head.flatMap((name, place) => (SENTENCE.test(name.trim()) ? [place] : []));
  if (file < 0) return [];
  return rows.flatMap((row) => sentences.map((place) => /** @type {[string, string]} */ ([row[file] ?? "", row[place] ?? ""])));
}

/** @returns {[string, string][]} */
function fromObjects(/** @type {any[]} */ objects) {
  return objects.flatMap((one) => {
    const file = one?.filename ?? one?.file ?? one?.image ?? one?.file_name;
    const said = one?.references ?? one?.sentences ?? one?.captions ?? one?.caption ?? one?.alt ?? [];
    if (typeof file !== "string") return [];
    return [said].flat().map((sentence) => /** @type {[string, string]} */ ([file, String(sentence?.raw ?? sentence?.text ?? sentence?.caption ?? sentence)]));
  });
}
