/** The Markdown of model cards as elements: headings, paragraphs, lists, tables, code, links, emphasis. */

import { element } from "../../shell/element.js";

const INDENTED = /^( {4}|\t)/;

/**
 * @param {string} text Markdown.
 * @param {number} deepest level that its first heading gets; those below it follow.
 */
export function markdown(text, deepest = 2) {
  const lines = text.replaceAll("\r", "").split("\n");
  const blocks = [];
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else if (/^```/.test(lines[0])) blocks.push(fenced(lines));
    else if (INDENTED.test(lines[0])) blocks.push(indented(lines));
    else if (/^#{1,6} /.test(lines[0])) blocks.push(heading(lines.splice(0, 1)[0], deepest));
    else if (/^\|/.test(lines[0])) blocks.push(table(takeWhile(lines, /^\|/)));
    else if (/^([-*]|\d+\.) /.test(lines[0])) blocks.push(list(lines));
    else blocks.push(element("p", {}, ...inline(takeWhile(lines, /^(?!```|#{1,6} |\|)./).join(" "))));
  }
  return blocks;
}

/** Removes and returns the first line, and those after it that match the pattern. */
function takeWhile(/** @type {string[]} */ lines, /** @type {RegExp} */ pattern) {
  let count = 1;
  while (lines[count]?.trim() && pattern.test(lines[count])) count += 1;
  return lines.splice(0, count);
}

function heading(/** @type {string} */ line, /** @type {number} */ deepest) {
  const [marks] = line.split(" ", 1);
  const text = line.slice(marks.length + 1);
  const level = /** @type {"h2"} */ (`h${Math.min(6, marks.length + deepest - 1)}`);
  return element(level, {}, ...inline(text));
}

function fenced(/** @type {string[]} */ lines) {
  lines.shift();
  const end = lines.findIndex((line) => /^```/.test(line));
  const body = lines.splice(0, end < 0 ? lines.length : end);
  lines.shift();
  return code(body.join("\n"));
}

function indented(/** @type {string[]} */ lines) {
  const end = lines.findIndex((line) => line.trim() && !INDENTED.test(line));
  const body = lines.splice(0, end < 0 ? lines.length : end);
  return code(body.map((line) => line.replace(INDENTED, "")).join("\n").trimEnd());
}

function code(/** @type {string} */ text) {
  return element("pre", { tabindex: 0 }, element("code", {}, text));
}

function list(/** @type {string[]} */ lines) {
  const kind = /^\d/.test(lines[0]) ? "ol" : "ul";
  /** @type {string[]} */
  const items = [];
  for (const line of takeWhile(lines, /^([-*]|\d+\.) |^\s/)) {
    if (/^\s/.test(line)) items[items.length - 1] += ` ${line.trim()}`;
    else items.push(line.replace(/^([-*]|\d+\.) /, ""));
  }
  return element(kind, {}, ...items.map((item) => element("li", {}, ...inline(item))));
}

function table(/** @type {string[]} */ lines) {
  const rows = lines.map((line) => line.replace(/^\||\|\s*$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim()));
  const ruled = rows[1]?.every((cell) => /^:?-+:?$/.test(cell));
  const head = ruled ? rows[0] : null;
  const numbers = (/** @type {string} */ cell) => /^[-\d.,\s%]+$/.test(cell) && cell;
  const body = (ruled ? rows.slice(2) : rows).map((row) =>
    element("tr", {}, ...row.map((cell) => element("td", { class: numbers(cell) ? "number" : null }, ...inline(cell)))),
  );
  const titles = head && element("thead", {}, element("tr", {}, ...head.map((cell) => (cell ? element("th", { scope: "col" }, ...inline(cell)) : element("td")))));
  return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table" }, element("table", {}, titles, element("tbody", {}, ...body)));
}

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)\s]+)\)/g;

/** @returns {(Node | string)[]} */
function inline(/** @type {string} */ text) {
  /** @type {(Node | string)[]} */
  const made = [];
  let end = 0;
  for (const [whole, code, strong, emphasis, label, url] of text.matchAll(INLINE)) {
    const start = text.indexOf(whole, end);
    made.push(text.slice(end, start));
    if (code) made.push(element("code", {}, code));
    else if (strong) made.push(element("strong", {}, ...inline(strong)));
    else if (emphasis) made.push(element("em", {}, ...inline(emphasis)));
    else if (/^https?:/.test(url)) made.push(element("a", { href: url, rel: "noreferrer" }, label));
    else made.push(...inline(label)); // to a file beside the card, which is not served
    end = start + whole.length;
  }
  return [...made, text.slice(end)];
}
