/** Ties the page together: its views, and the pictures that come in. */

import { album } from "./album.js";
import { announce } from "./announce.js";
import { caption, resume } from "./captioning.js";
import { captionView } from "./caption.js";
import { thumbnail } from "./copies.js";
import { decoding } from "./decoding.js";
import { openCamera } from "./camera.js";
import { listen } from "./intake.js";
import { keys } from "./key.js";

const $ = (id) => document.getElementById(id);

/** Views that are fetched and built when they are first opened. */
const LATER = {
  many: async (view) => (await import("./many.js")).manyView(view, { more: choose, open }),
  write: async (view) => (await import("./write.js")).writeView(view),
  inside: async (view) => (await import("./inside.js")).insideView(view),
};

const opened = new Set(["caption"]);
const choose = () => $("file").click();

function route() {
  const wanted = location.hash.slice(1) || "caption";
  const view = $(`view-${wanted}`);
  if (!view) return; // the link that skips to the view
  for (const section of document.querySelectorAll("section.view")) section.hidden = section !== view;
  for (const link of document.querySelectorAll(".views a")) {
    if (link.hash === `#${wanted}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = wanted === "caption" ? "Recap" : `${view.getAttribute("aria-label")} · Recap`;
  if (!opened.has(wanted)) {
    opened.add(wanted);
    LATER[wanted](view).catch(() => notice("This view could not be loaded. See whether the server is running, then reload the page."));
  }
  scrollTo(0, 0);
}

function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
}

/** Pictures that came in; the first of them is shown. */
async function take(files) {
  notice("");
  location.hash = location.hash === "#many" ? "#many" : "#caption";
  const added = album.add(files);
  album.select(added[0]);
  if (added.length > 1) announce(`${added.length} pictures.`);
  caption(added);
  for (const picture of added) {
    picture.thumbnail = await thumbnail(picture.file);
    if (album.has(picture)) album.tell("changed", picture);
    else if (picture.thumbnail) URL.revokeObjectURL(picture.thumbnail);
  }
}

function count() {
  $("count").hidden = album.pictures.length === 0;
  $("count").textContent = album.pictures.length;
}

function switchTheme() {
  const root = document.documentElement;
  const dark = getComputedStyle(root).colorScheme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("recap-theme", root.dataset.theme);
  } catch {
    // Storage is off: it holds until the page is left.
  }
}

async function example() {
  const image = document.querySelector("#example img");
  take([{ file: await (await fetch(image.src)).blob(), name: "photo.jpg" }]);
}

/** Shows a picture in the first view. */
function open(picture) {
  album.select(picture);
  location.hash = "#caption";
}

/** Whoever leaves loses what was written by hand: browsers ask whether that is meant. */
function leave(event) {
  if (album.pictures.some((picture) => picture.edited !== null)) event.preventDefault();
}

captionView({ welcome: $("welcome"), bench: $("bench"), more: choose });
listen({ input: $("file"), curtain: $("curtain"), take, refuse: notice });
for (const button of document.querySelectorAll("[data-choose]")) button.addEventListener("click", choose);
for (const button of document.querySelectorAll("[data-camera]")) button.addEventListener("click", () => openCamera(take));
$("example").addEventListener("click", example);
$("theme").addEventListener("click", switchTheme);
album.addEventListener("added", count);
album.addEventListener("removed", count);
keys.addEventListener("entered", () => {
  caption(album.pictures.filter((picture) => picture.error?.status === 401));
  resume();
});
addEventListener("hashchange", route);
addEventListener("beforeunload", leave);
route();
decoding.load().catch((error) => {
  if (error.status !== 401) notice(`${error.sentence} ${error.advice}`);
});
document.documentElement.dataset.ready = "";
