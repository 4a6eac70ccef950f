/** What model cards are written in, as elements: headings, paragraphs, lists, tables, code, links, emphasis. */

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
    else if (/^#{1,6} /.test(lines[0])) blocks.push(heading(lines.shift(), deepest));
    else if (/^\|/.test(lines[0])) blocks.push(table(takeWhile(lines, /^\|/)));
    else if (/^([-*]|\d+\.) /.test(lines[0])) blocks.push(list(lines));
    else blocks.push(element("p", {}, ...inline(takeWhile(lines, /^(?!```|#{1,6} |\|)./).join(" "))));
  }
  return blocks;
}

function takeWhile(lines, pattern) {
  const taken = [lines.shift()];
  while (lines.length && lines[0].trim() && pattern.test(lines[0])) taken.push(lines.shift());
  return taken;
}

function heading(line, deepest) {
  const [, marks, text] = line.match(/^(#+) (.*)$/);
  return element(`h${Math.min(6, marks.length + deepest - 1)}`, {}, ...inline(text));
}

function fenced(lines) {
  lines.shift();
  const body = [];
  while (lines.length && !/^```/.test(lines[0])) body.push(lines.shift());
  lines.shift();
  return code(body.join("\n"));
}

function indented(lines) {
  const body = [];
  while (lines.length && (INDENTED.test(lines[0]) || !lines[0].trim())) body.push(lines.shift().replace(INDENTED, ""));
  return code(body.join("\n").trimEnd());
}

function code(text) {
  return element("pre", { tabindex: 0 }, element("code", {}, text));
}

function list(lines) {
  const kind = /^\d/.test(lines[0]) ? "ol" : "ul";
  const items = [];
  while (lines.length && lines[0].trim() && (/^([-*]|\d+\.) /.test(lines[0]) || /^\s/.test(lines[0]))) {
    const line = lines.shift();
    if (/^\s/.test(line)) items[items.length - 1] += ` ${line.trim()}`;
    else items.push(line.replace(/^([-*]|\d+\.) /, ""));
  }
  return element(kind, {}, ...items.map((item) => element("li", {}, ...inline(item))));
}

function table(lines) {
  const rows = lines.map((line) => line.replace(/^\||\|\s*$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim()));
  const ruled = rows[1]?.every((cell) => /^:?-+:?$/.test(cell));
  const head = ruled ? rows[0] : null;
  const numbers = (cell) => /^[-\d.,\s%]+$/.test(cell) && cell;
  const body = (ruled ? rows.slice(2) : rows).map((row) =>
    element("tr", {}, ...row.map((cell) => element("td", { class: numbers(cell) ? "number" : null }, ...inline(cell)))),
  );
  const titles = head && element("thead", {}, element("tr", {}, ...head.map((cell) => (cell ? element("th", { scope: "col" }, ...inline(cell)) : element("td")))));
  return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table" }, element("table", {}, titles, element("tbody", {}, ...body)));
}

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)\s]+)\)/g;

function inline(text) {
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
