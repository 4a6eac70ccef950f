/** Captioning: a picture, its caption as it is written, and what else could be said of it. */

import { keys } from "../shell/keys.js";
import { album } from "./captioning/album.js";
import { mountBench } from "./captioning/bench.js";
import { TASK } from "./captioning/decoding.js";
import { pictures } from "./captioning/pictures.js";
import { caption, resume } from "./captioning/queue.js";
import { welcome } from "./captioning/welcome.js";

/** @type {import("../shell/view.js").View} */
export default {
  title: "Caption",
  hash: "caption",
  icon: "picture",
  task: TASK,
  files: pictures,

  mount({ section }) {
    const greeting = welcome();
    const bench = mountBench();
    section.append(greeting, bench);
    const show = () => {
      greeting.hidden = album.selected !== null;
      bench.hidden = album.selected === null;
    };
    album.on("selected", show);
    show();
  },

  start() {
    keys.on("entered", () => {
      caption(album.pictures.filter((picture) => picture.error?.status === 401));
      resume();
    });
    // Leaving loses what was written by hand: the browser asks whether that is meant.
    addEventListener("beforeunload", (event) => {
      if (album.pictures.some((picture) => picture.edited !== null)) event.preventDefault();
    });
  },

  inside: async () => (await import("./captioning/search.js")).searchPanel(),

  about({ encoder, decoder, preprocessing: { size, resize }, metrics }) {
    return {
      facts: [
        ["Encoder", encoder],
        ["Sees", `${size} × ${size} pixels, ${resize === "crop" ? "cut from the middle" : "the whole picture squashed to it"}`],
        ["Decoder", decoder],
      ],
      sample: [metrics.images && `${metrics.images.toLocaleString("en")} pictures`, metrics.beam_size && `beam ${metrics.beam_size}`].filter(Boolean),
    };
  },
};
