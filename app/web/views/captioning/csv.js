/** Comma-separated values (RFC 4180), written and read. */

/** Writes rows, after a byte order mark, by which spreadsheets know that it is UTF-8. */
export function asCsv(/** @type {string[][]} */ rows) {
  return `\ufeff${rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("")}`;
}

function cell(/** @type {string} */ value) {
  return /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Reads rows; cells may be parted by commas, semicolons or tabs, whichever the first line has most of. */
export function fromCsv(/** @type {string} */ text) {
  const whole = text.replace(/^\ufeff/, "");
  const head = whole.split(/\r?\n/, 1)[0];
  const comma = [",", ";", "\t"].sort((one, other) => head.split(other).length - head.split(one).length)[0];
  const part = new RegExp(`(?:"((?:[^"]|"")*)"|([^${comma}\\r\\n]*))(${comma}|\\r?\\n|\\r|$)`, "gy");
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  for (let found = part.exec(whole); found; found = part.exec(whole)) {
    const [, quoted, plain, end] = found;
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== comma) {
      if (row.length > 1 || row[0]) rows.push(row);
      row = [];
    }
    if (part.lastIndex >= whole.length) break;
  }
  if (row.some(Boolean)) rows.push(row);
  return rows;
}
