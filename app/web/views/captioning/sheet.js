/** The contact sheet's contents: a toolbar, and a card for each picture. */

import { button, element, find } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { announce } from "../../shell/messages.js";
import { album } from "./album.js";
import { Card } from "./card.js";
import { asCsv, asJsonLines, save } from "./exports.js";
import { pictures } from "./pictures.js";
import { caption } from "./queue.js";

/** @typedef {import("./album.js").Picture} Picture */

/** Fills the view. */
export function mountSheet(/** @type {HTMLElement} */ view) {
  /** @type {Map<Picture, Card>} */
  const cards = new Map();
  const sheet = element("ul", { class: "sheet", "aria-label": "Contact sheet" });
  const filter = element("input", { id: "filter", type: "search", placeholder: "dog, red, beach…", autocomplete: "off" });
  const found = element("p", { class: "found" });

  const csv = button("CSV", "save", () => save(asCsv(album.pictures), "captions.csv", "text/csv"));
  const lines = button("JSON lines", "save", () => save(asJsonLines(album.pictures), "captions.jsonl", "application/jsonl"));
  csv.setAttribute("aria-label", "Export as CSV");
  lines.setAttribute("aria-label", "Export as JSON lines");
  const retry = button("Try failed ones again", "again", () => caption(album.pictures.filter(({ state }) => state === "failed")));
  const clear = button("Remove all", "close", () => {
    const count = album.pictures.length;
    const edited = album.pictures.filter((picture) => picture.edited !== null).length;
    if (edited && !confirm(`${edited} captions were edited by hand. Remove all ${count} pictures?`)) return;
    for (const picture of [...album.pictures]) album.remove(picture);
    announce("All pictures removed.");
  });

  const empty = element(
    "div",
    { class: "empty" },
    element("h1", {}, "A contact sheet for your pictures"),
    element("p", {}, "Drop a folder of them here. Each gets its caption, to be read side by side, edited, and taken along as CSV or JSON lines."),
    element("p", { class: "actions" }, button("Choose pictures", "picture", () => choose(pictures), "primary")),
  );
  const full = element(
    "div",
    { class: "many" },
    element("h1", { class: "hidden" }, "Contact sheet"),
    element(
      "div",
      { class: "bar-top" },
      element("div", { class: "search" }, element("label", { for: "filter", class: "hidden" }, "Filter by word"), filter),
      found,
      element("div", { class: "actions" }, button("Add", "add", () => choose(pictures)), csv, lines, retry, clear),
    ),
    element("p", { class: "hint" }, "Pictures and captions are kept in this tab of your browser only, and are gone when it is closed. The server keeps nothing."),
    sheet,
  );
  view.append(empty, full);

  function matches(/** @type {Picture} */ picture) {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const tags = picture.answer?.tags?.map(({ name }) => name) ?? [];
    const text = [picture.caption, picture.name, ...tags].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  }

  function count() {
    const all = album.pictures;
    empty.hidden = all.length > 0;
    full.hidden = all.length === 0;
    const shown = all.filter((picture) => !cards.get(picture)?.node.hidden).length;
    const open = all.filter(({ state }) => state !== "done" && state !== "failed").length;
    const failed = all.filter(({ state }) => state === "failed").length;
    retry.hidden = failed === 0;
    const parts = [filter.value.trim() ? `${shown} of ${all.length}` : `${all.length} ${all.length === 1 ? "picture" : "pictures"}`];
    if (open) parts.push(`${open} to go`);
    if (failed) parts.push(`${failed} failed`);
    found.textContent = parts.join(", ");
    if (busy && !open) announce(`${found.textContent}.`);
    busy = open > 0;
  }

  let busy = false;
  let counting = false;
  const countSoon = () => {
    if (counting) return;
    counting = true;
    requestAnimationFrame(() => {
      counting = false;
      count();
    });
  };

  /** Shows a picture in the first view. */
  function open(/** @type {Picture} */ picture) {
    album.select(picture);
    location.hash = "#caption";
  }

  function add(/** @type {Picture} */ picture) {
    const card = new Card(picture, { open: () => open(picture), remove });
    cards.set(picture, card);
    sheet.append(card.node);
    draw(picture);
  }

  function draw(/** @type {Picture} */ picture) {
    const card = cards.get(picture);
    card?.draw();
    if (card) card.node.hidden = !matches(picture);
    countSoon();
  }

  function remove(/** @type {Picture} */ picture) {
    const node = cards.get(picture)?.node;
    const next = node?.nextElementSibling ?? node?.previousElementSibling;
    album.remove(picture);
    announce(`${picture.name} removed.`);
    (next ? find(".remove", next) : filter).focus();
  }

  filter.addEventListener("input", () => {
    for (const [picture, { node }] of cards) node.hidden = !matches(picture);
    count();
    announce(found.textContent);
  });
  album.on("added", (detail) => add(detail));
  album.on("changed", (detail) => draw(detail));
  album.on("removed", (picture) => {
    cards.get(picture)?.node.remove();
    cards.delete(picture);
    countSoon();
  });
  for (const picture of album.pictures) add(picture);
  count();
}
