/** Ties the page together: its navigation and views, the files that come in, and the theme. */

import { VIEWS } from "../views/index.js";
import { element, find, icon } from "./element.js";
import { listen } from "./intake.js";
import { askForKey } from "./keys.js";
import { clearNotice, notice } from "./messages.js";
import { models } from "./models.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./view.js").Group} Group */
/** @typedef {import("./view.js").Place} Place */
/** @typedef {{link: HTMLAnchorElement, tabs: HTMLElement, last: View}} Shelf A group's link and tabs, and the view that it leads to. */

const TITLE = document.title;
const NOT_LOADED = "This view could not be loaded. See whether the server is running, then open it again.";

/** @type {Map<Group, Shelf>} */
const shelves = new Map();
/** @type {Map<View, Place>} */
const places = new Map(VIEWS.map((view) => [view, build(view)]));
/** @type {Set<View>} */
const mounted = new Set();
let open = VIEWS[0];

/** The link to a view, in the navigation or among its group's tabs, and a section: index.html has that of the first. */
function build(/** @type {View} */ view) {
  const link = linkTo(view);
  const section = view === VIEWS[0] ? find("#first-view") : element("section", { class: "view", hidden: true });
  section.id = `view-${view.hash}`;
  section.setAttribute("aria-label", view.title);
  const row = view.group ? shelf(view.group, view).tabs : find(".views");
  row.append(link);
  find("main").append(section);
  return { link, section };
}

function linkTo(/** @type {View | Group} */ { hash, icon: shape, title, says }) {
  return element("a", { href: `#${hash}`, title: says }, icon(shape), title);
}

/** A group's link and tabs, made for the first of its views. */
function shelf(/** @type {Group} */ group, /** @type {View} */ first) {
  const made = shelves.get(group) ?? { link: linkTo(group), tabs: element("nav", { class: "tabs", "aria-label": group.title, hidden: true }), last: first };
  if (!shelves.has(group)) {
    shelves.set(group, made);
    find(".views").append(made.link);
    find("#notice").before(made.tabs);
  }
  return made;
}

/** The view of an address: a group's is that of its view which was open last. */
function viewAt(/** @type {string} */ hash) {
  const group = [...shelves.keys()].find((group) => group.hash === hash);
  return group ? shelves.get(group)?.last : VIEWS.find((view) => view.hash === hash);
}

function route() {
  const [hash, rest = ""] = (location.hash.slice(1) || VIEWS[0].hash).split(/\/(.*)/s);
  const wanted = viewAt(hash);
  if (!wanted) return; // the link that skips to the view
  const moved = wanted !== open;
  open = wanted;
  for (const [view, { link, section }] of places) {
    section.hidden = view !== open;
    mark(link, view === open && "page");
  }
  for (const [group, made] of shelves) {
    const here = group === open.group;
    made.tabs.hidden = !here;
    mark(made.link, here && "true");
    if (here) made.last = open;
  }
  showLink();
  document.title = open === VIEWS[0] ? TITLE : `${open.title} · Recap`;
  clearNotice(NOT_LOADED);
  if (moved) scrollTo(0, 0);
  const place = places.get(open);
  if (place && !mounted.has(open)) mount(open, place, rest);
  else open.arrive?.(rest);
}

/** Marks a link as that of what is open, or takes the mark away. */
function mark(/** @type {HTMLAnchorElement} */ link, /** @type {"page" | "true" | false} */ current) {
  if (current) link.setAttribute("aria-current", current);
  else link.removeAttribute("aria-current");
}

/** Scrolls the navigation and the tabs, where they have no room for all, to the view that is open. */
function showLink() {
  const links = [places.get(open)?.link, open.group && shelves.get(open.group)?.link];
  for (const link of links) {
    const row = link?.parentElement;
    if (!link || !row) continue;
    const [inner, outer] = [link.getBoundingClientRect(), row.getBoundingClientRect()];
    row.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2; // the page itself stays where it is
  }
}

/** Fills a view's section; if its modules can't be loaded, it is tried again when the view is next opened. */
async function mount(/** @type {View} */ view, /** @type {Place} */ place, /** @type {string} */ rest) {
  mounted.add(view);
  place.section.classList.add("opening"); // its modules may be slow to come
  try {
    await view.mount(place);
    if (view === open) view.arrive?.(rest);
  } catch (error) {
    console.error(error);
    mounted.delete(view);
    notice(NOT_LOADED);
  } finally {
    place.section.classList.remove("opening");
  }
}

function isDark() {
  const root = document.documentElement;
  return getComputedStyle(root).colorScheme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
}

function switchTheme() {
  const root = document.documentElement;
  root.dataset.theme = isDark() ? "light" : "dark";
  find("#theme").setAttribute("aria-pressed", String(isDark()));
  try {
    localStorage.setItem("recap-theme", root.dataset.theme);
  } catch {
    // Storage is off: the theme holds until the page is left.
  }
}

listen(() => open.files ?? VIEWS.find(({ files }) => files)?.files);
for (const [view, place] of places) view.start?.(place);
find("#theme").addEventListener("click", switchTheme);
find("#theme").setAttribute("aria-pressed", String(isDark()));
addEventListener("hashchange", route);
addEventListener("resize", showLink);
models.load().catch((error) => {
  if (error.status === 401) askForKey(error);
  else notice(`${error.sentence} ${error.advice}`);
});
route();
document.documentElement.dataset.ready = ""; // for tests and measurements
