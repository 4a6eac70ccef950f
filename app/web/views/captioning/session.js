/** The session: pictures, captions, edits and settings, kept by the browser and there again after a reload. */

import { Failure } from "../../shell/failure.js";
import { announce } from "../../shell/messages.js";
import { store } from "../../shell/store.js";
import { album, Picture } from "./album.js";
import { decoding } from "./decoding.js";
import { caption } from "./queue.js";

/** What is kept of a picture as it is. */
const FIELDS = /** @type {const} */ (["name", "sha256", "state", "answer", "chosen", "edited", "kept", "review", "existing"]);

/** Blobs by their kinds. They are written once: a record is small, and written at every change. */
const BLOBS = /** @type {const} */ ([
  ["files", "file"],
  ["thumbnails", "small"],
]);
let reviving = false; // pictures of another visit are being put back
/** @type {WeakSet<Blob>} */
const written = new WeakSet();

/** Brings back what was kept, then keeps what happens. */
export async function openSession() {
  album.on("added", keep);
  album.on("changed", keep);
  album.on("removed", (picture) => {
    store.keep("pictures", picture.id, null);
    for (const [kind, name] of BLOBS) {
      store.keep(kind, picture.id, null);
      const blob = picture[name];
      if (blob) written.delete(blob);
    }
  });
  album.on("selected", (picture) => picture && store.note("selected", picture.id));
  decoding.on("changed", () => decoding.card && store.state === "kept" && store.note("decoding", { model: decoding.card.id, values: decoding.values }));
  await store.open();
  if (store.state !== "kept") return;
  if (store.notes.decoding) decoding.recall(store.notes.decoding);
  const [records, ...blobs] = await Promise.all([store.read("pictures"), ...BLOBS.map(([kind]) => store.read(kind))]); // at once: most of it is waiting
  const [files, thumbnails] = blobs.map((entries) => new Map(entries));
  const came = [...album.pictures]; // while the store was read
  const before = records.filter(([id]) => files.has(id) && !came.some((picture) => picture.id === id));
  const pictures = before.map(([id, record]) => revive(id, record, files.get(id), thumbnails.get(id) ?? null));
  reviving = true;
  for (const [place, picture] of pictures.entries()) album.insert(picture, place);
  reviving = false;
  const wanted = album.find(location.hash.split("/")[1] ?? "") ?? album.find(String(store.notes.selected));
  if (!came.length) album.select(wanted ?? pictures[0] ?? null);
  caption(pictures.filter(({ finished }) => !finished));
  if (pictures.length) announce(`${pictures.length} ${pictures.length === 1 ? "picture" : "pictures"} from last time.`);
}

function keep(/** @type {Picture} */ picture) {
  if (reviving || !album.has(picture)) return; // it is kept already, or was removed meanwhile
  store.keep("pictures", picture.id, () => ({
    ...Object.fromEntries(FIELDS.map((name) => [name, picture[name]])),
    parameters: picture.parameters && String(picture.parameters),
    error: picture.error && { status: picture.error.status, code: picture.error.code, message: picture.error.message },
  }));
  for (const [kind, name] of BLOBS) {
    const blob = picture[name];
    if (!blob || written.has(blob)) continue;
    written.add(blob);
    store.keep(kind, picture.id, () => blob);
  }
}

function revive(/** @type {number} */ id, /** @type {any} */ { parameters, error, ...fields }, /** @type {Blob} */ file, /** @type {Blob | null} */ small) {
  const picture = new Picture(file, fields.name, id);
  Object.assign(picture, fields, { small, told: fields.answer, parameters: parameters === null ? null : new URLSearchParams(parameters), error: error && new Failure(error) });
  for (const [, name] of BLOBS) if (picture[name]) written.add(picture[name]);
  return picture;
}
