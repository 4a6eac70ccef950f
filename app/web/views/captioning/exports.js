/** Captions as files: a line a picture, as `recap caption --jsonl` writes them, or a table. */

/** JSON lines; what a person wrote has `edited`. */
export function asJsonLines(pictures) {
  return pictures.map((picture) => `${JSON.stringify(line(picture))}\n`).join("");
}

function line({ name, error, caption, edited, answer }) {
  if (!answer) return { file: name, error: { code: error?.code ?? "unfinished", message: error?.message ?? "it has no caption yet" } };
  const captions = answer.captions.map(({ text, logprob, confidence }) => ({ text, logprob, confidence }));
  return { file: name, caption, ...(edited === null ? {} : { edited: true }), captions };
}

const COLUMNS = ["file", "caption", "confidence", "edited", "model", "error"];

/** CSV (RFC 4180), with a mark that tells spreadsheets that it is UTF-8. */
export function asCsv(pictures) {
  const rows = pictures.map((picture) => [
    picture.name,
    picture.caption,
    picture.answer?.captions[picture.chosen]?.confidence.toFixed(4) ?? "",
    picture.edited === null ? "no" : "yes",
    picture.answer?.model.name ?? "",
    picture.answer ? "" : line(picture).error.message,
  ]);
  return `\ufeff${[COLUMNS, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("")}`;
}

function cell(value) {
  const text = String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Gives a text to be saved as a file. */
export function save(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
