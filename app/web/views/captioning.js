/** Captioning: a picture, its caption as it is written, and what else could be said of it. */

import { find } from "../shell/element.js";
import { choose } from "../shell/intake.js";
import { keys } from "../shell/keys.js";
import { announce } from "../shell/messages.js";
import { percent } from "../shell/percent.js";
import { album } from "./captioning/album.js";
import { makeBench } from "./captioning/bench.js";
import { openCamera } from "./captioning/camera.js";
import { TASK } from "./captioning/decoding.js";
import { asText } from "./captioning/formats.js";
import { pictures } from "./captioning/pictures.js";
import { caption, resume } from "./captioning/queue.js";

const welcome = find("#welcome"); // of captioning.html

/** @type {import("../shell/view.js").View} */
export default {
  title: "Caption",
  hash: "caption",
  icon: "picture",
  task: TASK,
  files: pictures,

  /** Adds the bench, which takes the place of the invitation once there is a picture. */
  mount({ section }) {
    const bench = makeBench();
    const show = () => {
      welcome.hidden = album.selected !== null;
      bench.hidden = album.selected === null;
    };
    section.append(bench);
    album.on("selected", show);
    show();
  },

  start() {
    const example = /** @type {HTMLImageElement} */ (find("#example img"));
    find("#choose").addEventListener("click", () => choose(pictures));
    find("#camera").addEventListener("click", () => openCamera(pictures.take));
    find("#example").addEventListener("click", async () => {
      pictures.take([{ file: await (await fetch(example.src)).blob(), name: "photo.jpg" }]);
    });
    album.on("changed", (picture) => {
      if (picture.state !== "done" || picture.told === picture.answer) return;
      picture.told = picture.answer; // once for each answer
      const best = picture.answer?.captions[0];
      announce(`${picture.name}: ${asText(picture)} ${percent(best?.confidence ?? 0)} confident${best?.needs_review ? ", needs review" : ""}.`);
    });
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
