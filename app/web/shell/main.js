/** Ties the page together: its navigation and views, the files that come in, and the theme. */

import { VIEWS } from "../views/index.js";
import { element, find, icon } from "./element.js";
import { listen } from "./intake.js";
import { askForKey } from "./keys.js";
import { clearNotice, notice } from "./messages.js";
import { models } from "./models.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./view.js").Place} Place */

const TITLE = document.title;
const NOT_LOADED = "This view could not be loaded. See whether the server is running, then open it again.";

/** @type {Map<View, Place>} */
const places = new Map(VIEWS.map((view) => [view, build(view)]));
/** @type {Set<View>} */
const mounted = new Set();
let open = VIEWS[0];

/** The link to a view in the navigation, and a section for it: index.html has that of the first. */
function build(/** @type {View} */ view) {
  const link = element("a", { href: `#${view.hash}`, title: view.says }, icon(view.icon), view.title);
  const section = view === VIEWS[0] ? find("#first-view") : element("section", { class: "view", hidden: true });
  section.id = `view-${view.hash}`;
  section.setAttribute("aria-label", view.title);
  find(".views").append(link);
  find("main").append(section);
  return { link, section };
}

function route() {
  const [hash, rest = ""] = (location.hash.slice(1) || VIEWS[0].hash).split("/");
  const moved = hash !== open.hash;
  const wanted = VIEWS.find((view) => view.hash === hash);
  if (!wanted) return; // the link that skips to the view
  open = wanted;
  for (const [view, { link, section }] of places) {
    section.hidden = view !== open;
    if (view === open) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  showLink();
  document.title = open === VIEWS[0] ? TITLE : `${open.title} · Recap`;
  clearNotice(NOT_LOADED);
  if (moved) scrollTo(0, 0);
  const place = places.get(open);
  if (place && !mounted.has(open)) mount(open, place, rest);
  else open.arrive?.(rest);
}

/** Scrolls the navigation, where it has no room for all, to the view that is open. */
function showLink() {
  places.get(open)?.link.scrollIntoView({ block: "nearest", inline: "center" });
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
