/** Prices from CSV, for the chart; the server checks them. */

/** @typedef {{date?: string, open?: number, high?: number, low?: number, close: number}} Day */

/**
 * The days of a table, oldest first. Rows without a close are left out.
 *
 * @param {string} text
 * @returns {Day[]}
 */
export function parse(text) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/).filter((line) => line.trim());
  const separator = [",", ";", "\t"].reduce((best, one) => (count(lines[0], one) > count(lines[0], best) ? one : best));
  const names = cells(lines[0] ?? "", separator).map((name) => name.toLowerCase());
  const column = (/** @type {string[]} */ ...known) => known.map((name) => names.indexOf(name)).find((place) => place >= 0) ?? -1;
  const date = column("date", "day", "time", "timestamp");
  const close = column("close", "close/last", "last", "price", "adj close");
  if (close < 0) throw new Error("the first line names no column 'close'");
  const ranges = { open: column("open"), high: column("high"), low: column("low") };
  const hasRanges = Object.values(ranges).every((place) => place >= 0);
  const rows = lines.slice(1).map((line) => cells(line, separator));
  const dayFirst = rows.some((row) => Number(/^(\d{1,2})[/.-]/.exec(row[date] ?? "")?.[1]) > 12) || /^\d+\./.test(rows[0]?.[date] ?? "");
  const days = rows
    .map((row) => {
      /** @type {Day} */
      const day = { close: number(row[close]) };
      if (date >= 0) day.date = iso(row[date] ?? "", dayFirst);
      if (hasRanges) for (const [name, place] of Object.entries(ranges)) Object.assign(day, { [name]: number(row[place]) });
      return day;
    })
    .filter((day) => Number.isFinite(day.close));
  return (days[0]?.date ?? "") > (days.at(-1)?.date ?? "") ? days.reverse() : days;
}

function count(/** @type {string | undefined} */ text, /** @type {string} */ sign) {
  return (text ?? "").split(sign).length;
}

/** The cells of a line; quotes may hold separators. */
function cells(/** @type {string} */ line, /** @type {string} */ separator) {
  const parts = line.match(new RegExp(`("[^"]*"|[^${separator}"]*)(${separator}|$)`, "g")) ?? [];
  return parts.map((part) => part.replace(new RegExp(`${separator}$`), "").replaceAll('"', "").trim());
}

function number(/** @type {string | undefined} */ text) {
  return text ? Number(text.replace(/[$,]/g, "")) : Number.NaN;
}

/** 2018-12-31, of 12/31/2018 and 31.12.2018 too; other forms as they are. */
function iso(/** @type {string} */ text, /** @type {boolean} */ dayFirst) {
  const parts = /^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})/.exec(text);
  if (!parts) return text.slice(0, 10);
  const [day, month] = dayFirst ? [parts[1], parts[2]] : [parts[2], parts[1]];
  return `${parts[3]}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}

/** A made-up series: its moves come in calm and in wild times, as those of markets do. The same each time. */
export function madeUp() {
  let state = 7;
  const draw = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
  const normal = () => Math.sqrt(-2 * Math.log(draw())) * Math.cos(2 * Math.PI * draw());
  /** @type {Day[]} */
  const days = [];
  const at = new Date(Date.UTC(2015, 0, 1));
  let variance = 1e-4;
  for (let close = 1000; days.length < 900; at.setUTCDate(at.getUTCDate() + 1)) {
    if (at.getUTCDay() % 6 === 0) continue;
    const open = close;
    const path = Array.from({ length: 24 }, () => {
      close *= Math.exp(Math.sqrt(variance / 24) * normal());
      return close;
    });
    days.push({ date: at.toISOString().slice(0, 10), open, high: Math.max(open, ...path), low: Math.min(open, ...path), close });
    const move = Math.log(close / open);
    variance = 3e-6 + 0.9 * variance + (move < 0 ? 0.11 : 0.03) * move * move;
  }
  return days;
}
