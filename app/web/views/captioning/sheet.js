/** The contact sheet's contents: a toolbar, a card for each picture, and the review of them one by one. */

import { button, element, find } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { announce } from "../../shell/messages.js";
import * as acts from "./acts.js";
import { album } from "./album.js";
import { Card } from "./card.js";
import { exportDialog } from "./export-dialog.js";
import { keepingLine } from "./keeping.js";
import { pictures } from "./pictures.js";
import { caption } from "./queue.js";
import { Review } from "./review.js";

/** @typedef {import("./album.js").Picture} Picture */

/** The ways to narrow the sheet, by a picture's status. */
/** @type {[value: string, text: string][]} */
const STATUSES = [
  ["", "All"],
  ["draft", "To review"],
  ["reviewed", "Reviewed"],
  ["decorative", "Decorative"],
  ["skipped", "Skipped"],
  ["failed", "Failed"],
];

/** Fills the view; returns what opens and closes the review, as the address wants it. */
export function mountSheet(/** @type {HTMLElement} */ view) {
  /** @type {Map<Picture, Card>} */
  const cards = new Map();
  /** @type {ReturnType<typeof import("./compare.js").comparison> | null} */
  let compared = null; // fetched when it is first opened
  /** @type {Picture | null} */
  let here = null; // the card that the tab key stops at
  const sheet = element("ul", { class: "sheet", "aria-label": "Contact sheet" });
  const filter = element("input", { id: "filter", type: "search", placeholder: "dog, red, beach…", autocomplete: "off" });
  const status = element("select", { id: "status-filter", "aria-label": "Show", onchange: narrow }, ...STATUSES.map(([value, text]) => element("option", { value }, text)));
  const found = element("p", { class: "found" });
  const nothing = element("p", { class: "hint nothing", hidden: true }, "No picture fits. ", button("Show all", "back", showAll, "small"));

  const review = new Review({ pictures: () => shown(), leave: () => (location.hash = "#many") });
  const start = button("Review", "play", () => (location.hash = "#many/review"), "primary");
  const compare = button("Compare", "M12 3v18M4 7h4.5v10H4Zm11.5 0H20v10h-4.5Z", () => (location.hash = "#many/compare"));
  const take = button("Export", "save", () => exportDialog(album.pictures, shown()));
  const retry = button("Try failed ones again", "again", () => caption(album.pictures.filter(({ state, error }) => state === "failed" && !error?.stays)));
  const rows = button("List", "rows", () => lay(sheet.classList.toggle("rows")));
  const clear = button("Remove all", "close", () => acts.remove([...album.pictures]));

  const empty = element(
    "div",
    { class: "empty" },
    element("h1", {}, "A contact sheet for your pictures"),
    element(
      "p",
      {},
      "Drop a folder of them here. Each gets its caption, to be reviewed one by one, edited, and taken along as CSV, JSON lines, HTML or Markdown. A list that was exported, or one of your own with alt texts that exist, can be dropped too.",
    ),
    element("p", { class: "actions" }, button("Choose pictures", "picture", () => choose(pictures), "primary")),
  );
  const full = element(
    "div",
    { class: "many" },
    element("h1", { class: "hidden" }, "Contact sheet"),
    element(
      "div",
      { class: "bar-top" },
      element("div", { class: "search" }, element("label", { for: "filter", class: "hidden" }, "Filter by word"), filter, status),
      found,
      element("div", { class: "actions" }, start, button("Add", "add", () => choose(pictures)), take, compare, rows, retry, clear),
    ),
    keepingLine(),
    nothing,
    sheet,
  );
  view.append(empty, full, review.node);

  function matches(/** @type {Picture} */ picture) {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const tags = picture.answer?.tags?.map(({ name }) => name) ?? [];
    const text = [picture.caption, picture.name, ...tags].join(" ").toLowerCase();
    return (!status.value || picture.status === status.value) && words.every((word) => text.includes(word));
  }

  /** Those that the filter lets through. */
  function shown() {
    return album.pictures.filter((picture) => !cards.get(picture)?.node.hidden);
  }

  function showAll() {
    filter.value = status.value = "";
    narrow();
  }

  function narrow() {
    for (const [picture, { node }] of cards) node.hidden = !matches(picture);
    count();
    announce(`${found.textContent}.`);
  }

  function lay(/** @type {boolean} */ asRows) {
    rows.setAttribute("aria-pressed", String(asRows));
  }

  function count() {
    const all = album.pictures;
    const elsewhere = !review.node.hidden || compared?.node.hidden === false;
    empty.hidden = all.length > 0 || elsewhere;
    full.hidden = all.length === 0 || elsewhere;
    const visible = shown().length;
    const open = all.filter(({ finished }) => !finished).length;
    const failed = all.filter((picture) => picture.status === "failed").length;
    const reviewed = all.filter(({ review }) => review === "reviewed" || review === "decorative").length;
    retry.hidden = !all.some(({ state, error }) => state === "failed" && !error?.stays);
    nothing.hidden = visible > 0 || all.length === 0;
    const parts = [filter.value.trim() || status.value ? `${visible} of ${all.length}` : `${all.length} ${all.length === 1 ? "picture" : "pictures"}`];
    if (open) parts.push(`${open} to go`);
    if (failed) parts.push(`${failed} failed`);
    if (reviewed) parts.push(`${reviewed} reviewed`);
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

  function add(/** @type {Picture} */ picture) {
    const card = new Card(picture, { open: () => (location.hash = `#caption/${picture.key}`), remove });
    card.node.addEventListener("focusin", () => stop(picture));
    card.show.addEventListener("keydown", (event) => key(event, picture));
    card.own.node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // a caption has one line
      const visible = shown();
      cards.get(visible[visible.indexOf(picture) + 1] ?? picture)?.own.node.focus();
    });
    cards.set(picture, card);
    const after = album.after(picture);
    sheet.insertBefore(card.node, (after && cards.get(after)?.node) ?? null);
    if (!here) stop(picture);
    draw(picture);
  }

  function draw(/** @type {Picture} */ picture) {
    const card = cards.get(picture);
    card?.draw();
    if (card && !card.node.contains(document.activeElement)) card.node.hidden = !matches(picture);
    countSoon();
  }

  function remove(/** @type {Picture} */ picture) {
    const node = cards.get(picture)?.node;
    const next = node?.nextElementSibling ?? node?.previousElementSibling;
    acts.remove([picture]);
    (next ? find(".remove", next) : filter).focus();
  }

  function stop(/** @type {Picture} */ picture) {
    if (here && here !== picture) cards.get(here)?.stop(false);
    here = picture;
    cards.get(picture)?.stop(true);
  }

  /** Goes from card to card. */
  function key(/** @type {KeyboardEvent} */ event, /** @type {Picture} */ picture) {
    if (event.key === "Delete") return remove(picture);
    const visible = shown();
    const place = visible.indexOf(picture);
    const across = getComputedStyle(sheet).gridTemplateColumns.split(" ").length;
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, ArrowUp: place - across, ArrowDown: place + across, Home: 0, End: visible.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    cards.get(visible[to])?.show.focus();
  }

  filter.addEventListener("input", narrow);
  album.on("added", (detail) => add(detail));
  album.on("changed", (detail) => draw(detail));
  album.on("removed", (picture) => {
    cards.get(picture)?.node.remove();
    cards.delete(picture);
    if (here === picture) {
      here = null;
      if (album.pictures[0]) stop(album.pictures[0]);
    }
    countSoon();
  });
  for (const picture of album.pictures) add(picture);
  lay(false);
  count();

  return async (/** @type {string} */ place) => {
    if (place === "review") review.open();
    else review.close();
    if (place === "compare") {
      const { comparison } = await import("./compare.js");
      if (!compared) {
        compared = comparison({ leave: () => (location.hash = "#many") });
        view.append(compared.node);
      }
      compared.open();
    } else compared?.close();
    pictures.lists = place === "compare" ? compared?.files.take : undefined;
    count();
    if (place !== "review") for (const card of cards.values()) card.draw();
  };
}
