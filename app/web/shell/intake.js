/** Files come in: dropped, pasted or chosen, folders included. */

/** Names of pictures in folders, where what else lies there is left alone. */
const PICTURE = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|heif)$/i;

/**
 * Calls `take` with `[{file, name}]` whenever files come, and `refuse` with a sentence where something else does.
 *
 * @param {{input: HTMLInputElement, curtain: HTMLElement, take: Function, refuse: Function}} parts `input` is a field for
 *   files, `curtain` is shown while something is dragged over the page.
 */
export function listen({ input, curtain, take, refuse }) {
  input.addEventListener("change", () => {
    const chosen = [...input.files].map((file) => ({ file, name: file.name }));
    input.value = ""; // so that the same file can be chosen again
    if (chosen.length) take(chosen);
  });

  document.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files];
    if (pasted.length) {
      event.preventDefault();
      take(pasted.map((file, place) => ({ file, name: pastedName(file, place) })));
    }
  });

  let depth = 0; // dragging over a child leaves its parent
  const show = (change) => {
    depth = Math.max(0, depth + change);
    curtain.hidden = depth === 0;
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
    if (!brings(event)) return;
    event.preventDefault();
    const found = await dropped(event.dataTransfer);
    if (found.length) take(found);
    else if (event.dataTransfer.types.includes("Files")) refuse("There is no picture in that folder.");
    else refuse("That was a link to a picture, not the picture. Save it first, then drop the file.");
  });
}

function brings(event) {
  const types = event.dataTransfer?.types ?? [];
  return types.includes("Files") || types.includes("text/uri-list");
}

function pastedName(file, place) {
  const kind = file.type.split("/")[1] ?? "png";
  return file.name && file.name !== "image.png" ? file.name : `pasted-${place + 1}.${kind}`;
}

/** All files, also those in folders; entries must be asked for before anything is awaited. */
async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  const files = [...transfer.files].map((file) => ({ file, name: file.name }));
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, found, true);
  return found;
}

async function walk(entry, found, named) {
  if (entry.isFile) {
    if (!named && !PICTURE.test(entry.name)) return;
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const child of some.sort((one, other) => one.name.localeCompare(other.name))) await walk(child, found, false);
  }
}
