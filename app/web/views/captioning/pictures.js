/** The intake of pictures: they are added to the album, captioned, and given a thumbnail. */

import { announce, clearNotice } from "../../shell/messages.js";
import { album } from "./album.js";
import { caption } from "./queue.js";
import { thumbnail } from "./shrink.js";

/** @type {import("../../shell/view.js").Files} */
export const pictures = {
  accept: "image/*",
  names: /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|heif)$/i,
  none: "There is no picture in that folder.",
  link: "That was a link to a picture, not the picture. Save it first, then drop the file.",

  /** Shows the first of them, on the contact sheet if that is open. */
  async take(files) {
    clearNotice();
    location.hash = location.hash === "#many" ? "#many" : "#caption";
    const added = album.add(files);
    album.select(added[0]);
    if (added.length > 1) announce(`${added.length} pictures.`);
    caption(added);
    for (const picture of added) {
      picture.thumbnail = await thumbnail(picture.file);
      if (album.has(picture)) album.emit("changed", picture);
      else if (picture.thumbnail) URL.revokeObjectURL(picture.thumbnail);
    }
  },
};
