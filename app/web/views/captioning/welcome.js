/** What the view shows before there is a picture. */

import { element, icon } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { openCamera } from "./camera.js";
import { pictures } from "./pictures.js";

const EXAMPLE = new URL("example.jpg", import.meta.url).href;

/** The invitation, and a picture to try. */
export function welcome() {
  return element(
    "div",
    { class: "welcome" },
    element(
      "div",
      { class: "invitation" },
      element("h1", {}, "Show it a picture, and it\u00a0finds the words."),
      element("p", { class: "lead" }, "One network looks, another writes a sentence, word by word. Then see where it looked for each of them."),
      element(
        "p",
        { class: "actions" },
        element("button", { type: "button", class: "primary", onclick: () => choose(pictures) }, icon("picture"), "Choose pictures"),
        element("button", { type: "button", onclick: () => openCamera(pictures.take) }, icon("camera"), "Use the camera"),
      ),
      element(
        "p",
        { class: "hint" },
        "Or drop them anywhere on this page, or paste with ",
        element("kbd", {}, "Ctrl"),
        " ",
        element("kbd", {}, "V"),
        ".",
        element("br"),
        "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF. They go to this server and nowhere else, and it keeps none.",
      ),
    ),
    element(
      "button",
      { type: "button", class: "example", onclick: async () => pictures.take([{ file: await (await fetch(EXAMPLE)).blob(), name: "photo.jpg" }]) },
      element("img", { src: EXAMPLE, width: 512, height: 512, alt: "Black and white photograph of a man with a camera on a tripod" }),
      element("span", { class: "call" }, "Caption this one", icon("next")),
    ),
  );
}
