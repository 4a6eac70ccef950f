/** Captioning: a picture, its caption as it is written, and what else could be said of it. */

import { find } from "../shell/element.js";
import { choose } from "../shell/intake.js";
import { keys } from "../shell/keys.js";
import { announce, notice } from "../shell/messages.js";
import { store } from "../shell/store.js";
import { album } from "./captioning/album.js";
import { TASK } from "./captioning/decoding.js";
import { asText } from "./captioning/formats.js";
import { pictures } from "./captioning/pictures.js";
import { caption, resume } from "./captioning/queue.js";
import { openSession } from "./captioning/session.js";
import { inWords } from "./captioning/sureness.js";

const PROGRESS = 5000; // milliseconds between two announcements of how far it is
const welcome = find("#welcome"); // of captioning.html

/** @type {import("../shell/view.js").View} */
export default {
  title: "Caption",
  hash: "caption",
  icon: "picture",
  says: "Pictures into sentences",
  task: TASK,
  files: pictures,

  /** Fetches and adds the bench, which takes the place of the invitation, once there is a picture. */
  mount({ section }) {
    /** @type {Promise<HTMLElement> | null} */
    let made = null;
    const make = async () => {
      const { makeBench } = await import("./captioning/bench.js");
      const bench = makeBench();
      section.append(bench);
      return bench;
    };
    const show = async () => {
      if (!album.selected && !made) return;
      made ??= make();
      const bench = await made;
      const left = welcome.contains(document.activeElement);
      welcome.hidden = album.selected !== null;
      bench.hidden = album.selected === null;
      if (left && welcome.hidden) find("h1", bench).focus(); // the button that had the focus is gone
    };
    const tryShow = () =>
      show().catch((error) => {
        console.error(error);
        made = null; // it is fetched again for the next picture
        notice("A part of the page could not be loaded. See whether the server is running, then choose the picture again.");
      });
    album.on("selected", tryShow);
    return tryShow();
  },

  /** Selects the picture of the address. */
  arrive(key) {
    const picture = album.find(key);
    if (picture) album.select(picture);
  },

  start() {
    const example = /** @type {HTMLImageElement} */ (find("#example img"));
    find("#choose").addEventListener("click", () => choose(pictures));
    // A phone's own camera is better, and needs no TLS.
    find("#camera").addEventListener("click", () => {
      if (matchMedia("(hover: none) and (pointer: coarse)").matches) choose(pictures, { camera: true });
      else import("./captioning/camera.js").then(({ openCamera }) => openCamera(pictures.take));
    });
    const attempt = async (/** @type {string} */ url, /** @type {string} */ name) => {
      const response = await fetch(url).catch(() => null);
      if (response?.ok) pictures.take([{ file: await response.blob(), name }]);
      else notice("The picture could not be loaded. See whether the server is running, then try again.");
    };
    find("#example").addEventListener("click", () => attempt(example.src, "photo.jpg"));
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("#tries button"))) {
      button.addEventListener("click", () => attempt(`web/views/captioning/examples/${button.value}.jpg`, `${button.value}.jpg`));
    }
    album.on("changed", (picture) => {
      if (picture.state !== "done" || picture.told === picture.answer) return;
      picture.told = picture.answer; // once for each answer
      const best = picture.answer?.captions[0];
      if (picture === album.selected && best) announce(`${picture.name}: ${asText(picture)} ${inWords(best)}.`);
    });
    let told = Date.now();
    album.on("changed", () => {
      const open = album.pictures.filter(({ finished }) => !finished).length;
      if (!open || Date.now() < told + PROGRESS) return;
      told = Date.now();
      announce(`${album.pictures.length - open} of ${album.pictures.length}.`);
    });
    album.on("selected", (picture) => {
      if (/^(#caption.*)?$/.test(location.hash)) location.hash = picture ? `#caption/${picture.key}` : "#caption";
    });
    keys.on("entered", () => {
      caption(album.pictures.filter((picture) => picture.error?.status === 401));
      resume();
    });
    // Where nothing is kept, leaving loses work: the browser asks whether that is meant.
    addEventListener("beforeunload", (event) => {
      if (store.state !== "kept" && album.pictures.length) event.preventDefault();
    });
    openSession();
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
