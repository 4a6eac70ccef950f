/** The line that says what the browser keeps of the pictures, with the button that makes it forget. */

import { setKey } from "../../shell/api.js";
import { element } from "../../shell/element.js";
import { store } from "../../shell/store.js";
import { album } from "./album.js";

/** @type {Record<typeof store.state, string>} */
const TOLD = {
  opening: "",
  kept: "Kept in this browser until you have it forget them. The server keeps nothing.",
  elsewhere: "Another tab of this page keeps its pictures. Those here are kept once that tab is closed; if this one is closed before, they are gone.",
  off: "This browser lets the page keep nothing: pictures and captions are gone when the tab is closed. Export first.",
  full: "This browser has no room for all of them. Export before you close the tab.",
};

/** Makes the line, which follows the pictures. */
export function keepingLine() {
  const told = element("span");
  const forget = element("button", { type: "button", class: "link", onclick: forgetAll }, "Forget all now");
  const draw = () => {
    const bytes = album.pictures.reduce((sum, { file, small }) => sum + file.size + (small?.size ?? 0), 0);
    told.textContent = `${TOLD[store.state]} ${store.state === "kept" ? `${(bytes / 1e6).toFixed(1)} MB. ` : ""}`;
    forget.hidden = store.state === "elsewhere" || store.state === "opening";
  };
  let drawing = false;
  const drawSoon = () => {
    if (drawing) return;
    drawing = true;
    setTimeout(() => {
      drawing = false;
      draw();
    }, 200);
  };
  store.on("changed", draw);
  for (const name of /** @type {const} */ (["added", "removed", "changed"])) album.on(name, drawSoon);
  draw();
  return element("p", { class: "hint keeping" }, told, forget);
}

/** Forgets pictures, captions, texts, settings and the key. This alone can't be undone, so it asks. */
async function forgetAll() {
  const count = album.pictures.length;
  if (!confirm(`Forget ${count} ${count === 1 ? "picture" : "pictures"}, all captions, texts and settings on this computer, and the key if there is one? This can't be undone.`)) return;
  await store.forget();
  setKey("");
  for (const picture of [...album.pictures]) album.remove(picture);
  location.replace("#caption");
  location.reload();
}
