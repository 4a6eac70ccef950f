/** Captions as files: JSON lines, as `recap caption --jsonl` writes them, or CSV. */

/** @typedef {import("./album.js").Picture} Picture */

/** JSON lines; captions that a person wrote have `edited`. */
export function asJsonLines(/** @type {Picture[]} */ pictures) {
  return pictures.map((picture) => `${JSON.stringify(line(picture))}\n`).join("");
}

function line(/** @type {Picture} */ picture) {
  const { name, caption, edited, answer } = picture;
  if (!answer) return { file: name, error: failure(picture) };
  const captions = answer.captions.map(({ text, logprob, confidence, original, needs_review }) => ({ text, logprob, confidence, original, needs_review }));
  return { file: name, caption, ...(edited === null ? {} : { edited: true }), captions, ...(answer.tags && { tags: answer.tags }) };
}

function failure(/** @type {Picture} */ { error }) {
  return { code: error?.code ?? "unfinished", message: error?.message ?? "it has no caption yet" };
}

const COLUMNS = ["file", "caption", "confidence", "needs_review", "edited", "tags", "model", "error"];

/** CSV (RFC 4180) that begins with a byte order mark, by which spreadsheets know that it is UTF-8. */
export function asCsv(/** @type {Picture[]} */ pictures) {
  const rows = pictures.map((picture) => [
    picture.name,
    picture.caption,
    picture.answer?.captions[picture.chosen]?.confidence.toFixed(4) ?? "",
    picture.answer?.captions[picture.chosen]?.needs_review ? "yes" : "no",
    picture.edited === null ? "no" : "yes",
    picture.answer?.tags?.map(({ name }) => name).join(", ") ?? "",
    picture.answer?.model.name ?? "",
    picture.answer ? "" : failure(picture).message,
  ]);
  return `\ufeff${[COLUMNS, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("")}`;
}

function cell(/** @type {string} */ value) {
  return /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Has the browser save a text as a file. */
export function save(/** @type {string} */ text, /** @type {string} */ name, /** @type {string} */ type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
