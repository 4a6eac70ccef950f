/** The ways that files come in: chosen, dropped or pasted; folders too. */

import { find } from "./element.js";
import { notice } from "./messages.js";

/** @typedef {import("./view.js").Files} Files */
/** @typedef {import("./view.js").NamedFile} NamedFile */

const input = /** @type {HTMLInputElement} */ (find("#file"));
const curtain = find("#curtain");
/** @type {Files | null} */
let choosing = null;

/** Opens the browser's dialog for files, or on a phone its camera. */
export function choose(/** @type {Files} */ files, { camera = false } = {}) {
  choosing = files;
  input.accept = camera ? "image/*" : files.accept;
  if (camera) input.setAttribute("capture", "environment");
  else input.removeAttribute("capture");
  input.click();
}

/**
 * Starts to listen for files, all over the page.
 *
 * @param {() => Files | undefined} receiver Returns what takes files that come now, or undefined if nothing does.
 */
export function listen(receiver) {
  input.addEventListener("change", () => {
    const chosen = [...(input.files ?? [])].map((file) => ({ file, name: file.name }));
    input.value = ""; // so that the same file can be chosen again
    if (chosen.length) (choosing ?? receiver())?.take(chosen);
  });

  document.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    const files = receiver();
    const writes = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
    const urls = writes || pasted.length ? [] : links(event.clipboardData?.getData("text/plain"));
    if (urls.length && files?.links) {
      event.preventDefault();
      files.links(urls);
    }
    if (!pasted.length || !files) return;
    event.preventDefault();
    files.take(pasted.map((file) => ({ file, name: pastedName(file) })));
  });

  let depth = 0; // dragging over a child leaves its parent
  const show = (/** @type {number} */ change) => {
    depth = Math.max(0, depth + change);
    curtain.hidden = depth === 0;
  };
  const brings = (/** @type {DragEvent} */ event) => {
    const types = event.dataTransfer?.types ?? [];
    return receiver() !== undefined && (types.includes("Files") || types.includes("text/uri-list"));
  };
  addEventListener("dragenter", (event) => {
    if (brings(event)) show(1);
  });
  addEventListener("dragleave", (event) => {
    if (brings(event)) show(-1);
  });
  addEventListener("dragover", (event) => {
    if (brings(event)) event.preventDefault();
  });
  addEventListener("drop", async (event) => {
    show(-depth);
    const files = receiver();
    const transfer = event.dataTransfer;
    if (!brings(event) || !files || !transfer) return;
    event.preventDefault();
    const isLink = !transfer.types.includes("Files");
    const urls = isLink ? links(transfer.getData("text/uri-list")) : [];
    const found = await dropped(transfer, files.names);
    if (found.length) files.take(found);
    else if (urls.length && files.links) files.links(urls);
    else notice((isLink && files.link) || files.none);
  });
}

/** The links in a text that has nothing else, one on each line; lines with # are comments in lists of links. */
function links(text = "") {
  const lines = text.split(/\s*\n\s*/).filter((line) => line && !line.startsWith("#"));
  return lines.every((line) => /^https?:\/\/\S+$/i.test(line)) ? lines : [];
}

let pastes = 0;

function pastedName(/** @type {File} */ file) {
  const kind = file.type.split("/")[1] ?? "png";
  return file.name && file.name !== "image.png" ? file.name : `pasted-${++pastes}.${kind}`;
}

/** All files, including those in folders. Entries have to be asked for before anything is awaited. */
async function dropped(/** @type {DataTransfer} */ transfer, /** @type {RegExp} */ names) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  const files = [...transfer.files].map((file) => ({ file, name: file.name }));
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  /** @type {NamedFile[]} */
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, null);
  return found;

  /** Adds a file, or those of a folder whose names are meant; `wanted` is null outside a folder. */
  async function walk(/** @type {any} */ entry, /** @type {RegExp | null} */ wanted) {
    if (entry.isFile) {
      if (wanted && !wanted.test(entry.name)) return;
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, name: entry.fullPath.replace(/^\//, "") });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const child of some.sort((/** @type {FileSystemEntry} */ one, /** @type {FileSystemEntry} */ other) => one.name.localeCompare(other.name))) await walk(child, names);
    }
  }
}
