/** The intake: pictures are added to the album, captioned, and given a thumbnail; texts are read from lists. */

import { announce, clearNotice } from "../../shell/messages.js";
import { album } from "./album.js";
import { caption } from "./queue.js";
import { thumbnail } from "./shrink.js";

const LISTS = /\.(csv|tsv|json|jsonl|ndjson)$/i;

/** @typedef {import("../../shell/view.js").Files} Files */

/** @type {Files & {lists?: Files["take"]}} `lists` takes lists, where they are none of alt texts. */
export const pictures = {
  accept: "image/*,.csv,.tsv,.json,.jsonl,.ndjson",
  names: /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|heif|csv|json|jsonl)$/i,
  none: "There is no picture in that folder.",
  links: async (urls) => (await import("./links.js")).takeLinks(urls),

  /** Shows the first picture among them, on the contact sheet if that is open. */
  async take(files) {
    clearNotice();
    const lists = files.filter(({ name }) => LISTS.test(name));
    const added = album.add(files.filter((file) => !lists.includes(file)));
    if (added.length > 1) announce(`${added.length} pictures.`);
    if (added.length) {
      if (!/^(#many.*|#caption.*)?$/.test(location.hash)) location.hash = "#caption";
      album.select(added[0]);
    }
    await import("./bench.js").catch(() => {}); // so that the first words are seen; the view tells where it can't be had
    caption(added);
    if (lists.length && pictures.lists) pictures.lists(lists);
    else if (lists.length) {
      const { readList } = await import("./imports.js");
      for (const { file, name } of lists) await readList(file, name);
    }
    for (const picture of added) {
      [picture.small, picture.sha256] = await Promise.all([thumbnail(picture.file), digest(picture.file)]);
      album.emit("changed", picture);
    }
  },
};

/** The SHA-256 of a file as hexadecimal digits; "" where browsers have no cryptography: on pages from elsewhere without TLS. */
async function digest(/** @type {Blob} */ file) {
  const bytes = await crypto.subtle?.digest("SHA-256", await file.arrayBuffer());
  return bytes ? Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("") : "";
}
