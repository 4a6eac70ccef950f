/** The occlusion check: a part of the picture is covered, and the words that it held up fall. */

import { ask } from "../../shell/api.js";
import { button, element } from "../../shell/element.js";
import { announce } from "../../shell/messages.js";
import { percent } from "../../shell/percent.js";
import { Light, whereabouts } from "./attention.js";
import { marked } from "./difference.js";
import { sentence } from "./formats.js";

/** @typedef {import("./album.js").Picture} Picture */
/** @typedef {import("./album.js").Caption} Caption */
/** @typedef {{x: number, y: number, width: number, height: number}} Part In shares of the picture's width and height. */

const SIDE = 640; // pixels of the longer side that are sent: networks see fewer
const PARTS = 5; // rows, and columns, of parts that are covered in turn
const WIDE = 0.4; // of the width and height: parts overlap, since what lies on the border of two is hidden by neither
const AT_ONCE = 4;
const LEAST = 0.03; // of the width and height: anything smaller is a click
const FALLS = 0.7; // of its probability is what a word must lose to be told first

/**
 * Makes the check for the picture that `current` returns, with its caption.
 *
 * @param {import("./stage.js").Stage} stage The part is drawn on its frame.
 * @param {() => Picture | null} current
 */
export function occlusion(stage, current) {
  const canvas = element("canvas", { class: "light", "aria-hidden": "true", hidden: true });
  const light = new Light(canvas);
  const cover = element("div", { class: "cover", hidden: true });
  const told = element("div", { class: "covered", role: "status" });
  const all = button("Cover each part in turn", "sheet", () => coverAll(), "small");
  const node = element("div", { class: "occlusion" }, element("p", { class: "hint" }, "Drag over the picture: that part is covered, and the caption asked for again. Or have each of 25 parts covered in turn, to see which of them each word needs."), element("p", { class: "actions" }, all), told);
  let round = 0;
  let active = false;
  stage.frame.append(canvas, cover);

  /** @type {{x: number, y: number} | null} */
  let from = null;
  stage.frame.addEventListener("pointerdown", (event) => {
    if (!active || event.button !== 0) return;
    event.preventDefault();
    stage.frame.setPointerCapture(event.pointerId);
    from = at(event);
  });
  stage.frame.addEventListener("dragstart", (event) => active && event.preventDefault()); // of the picture itself
  stage.frame.addEventListener("pointermove", (event) => from && draw(between(from, at(event))));
  stage.frame.addEventListener("pointerup", (event) => {
    if (!from) return;
    const part = between(from, at(event));
    from = null;
    if (part.width < LEAST || part.height < LEAST) clear();
    else coverOne(part);
  });
  stage.frame.addEventListener("pointercancel", () => {
    from = null;
    clear();
  });

  /** A place in shares of the frame, which the picture fills. */
  function at(/** @type {PointerEvent} */ event) {
    const box = stage.frame.getBoundingClientRect();
    const within = (/** @type {number} */ share) => Math.min(1, Math.max(0, share));
    return { x: within((event.clientX - box.left) / box.width), y: within((event.clientY - box.top) / box.height) };
  }

  function draw(/** @type {Part} */ { x, y, width, height }) {
    cover.hidden = false;
    Object.assign(cover.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * width}%`, height: `${100 * height}%` });
  }

  /** Takes the cover away, and what was told of it. */
  function clear() {
    round += 1;
    cover.hidden = canvas.hidden = true;
    told.replaceChildren();
  }

  async function coverOne(/** @type {Part} */ part) {
    clear();
    draw(part);
    await check(async (picture, caption, mine) => {
      const source = await open(picture.file);
      const [plain, hidden] = [await source.jpeg(), await source.jpeg(part)];
      const [before, after, anew] = await Promise.all([said(picture, caption, plain), said(picture, caption, hidden), again(picture, hidden)]);
      if (mine !== round) return;
      const falls = caption.tokens.map(({ text }, place) => ({ text, before: Math.exp(before[place]), after: Math.exp(after[place]) }));
      const fallen = falls.filter((word) => word.after < FALLS * word.before).sort((one, other) => one.after / one.before - other.after / other.before);
      told.replaceChildren(
        element("p", {}, "Covered: ", element("span", { class: "anew", lang: "en" }, ...marked(sentence(anew), sentence(caption.text)))),
        fallen.length ? element("ol", { class: "falls", "aria-label": "Words that fell" }, ...fallen.map(fall)) : element("p", { class: "hint" }, "No word needs that part: each stays about as likely."),
      );
    });
  }

  function fall(/** @type {{text: string, before: number, after: number}} */ { text, before, after }) {
    return element("li", {}, element("b", {}, text), ` ${percent(before)} → ${percent(after)}`);
  }

  async function coverAll() {
    clear();
    await check(async (picture, caption, mine) => {
      const source = await open(picture.file);
      const before = await said(picture, caption, await source.jpeg());
      const places = Array.from({ length: PARTS * PARTS }, (_, place) => place);
      /** @type {number[][]} */
      const after = [];
      let done = 0;
      const work = async () => {
        for (let place = places.shift(); place !== undefined && mine === round; place = places.shift()) {
          const start = (/** @type {number} */ number) => Math.max(0, (number + 0.5) / PARTS - WIDE / 2);
          const length = (/** @type {number} */ number) => Math.min(1, (number + 0.5) / PARTS + WIDE / 2) - start(number);
          const [row, column] = [Math.floor(place / PARTS), place % PARTS];
          const part = { x: start(column), y: start(row), width: length(column), height: length(row) };
          draw(part);
          after[place] = await said(picture, caption, await source.jpeg(part));
          done += 1;
          if (mine === round) told.textContent = `${done} of ${PARTS * PARTS} parts covered…`;
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      if (mine !== round) return;
      cover.hidden = true;
      const buttons = caption.tokens.map((token, word) => {
        const lost = Array.from({ length: PARTS }, (_, row) => Array.from({ length: PARTS }, (_, column) => Math.max(0, before[word] - after[PARTS * row + column][word])));
        const least = Math.exp(Math.min(...after.map((all) => all[word])));
        const falls = least < FALLS * Math.exp(before[word]);
        const show = () => {
          stage.tell(null); // one light at a time
          canvas.hidden = !falls;
          if (falls) light.show(lost);
          for (const other of buttons) other.setAttribute("aria-pressed", String(other === pressed));
        };
        const seen = () => {
          show();
          stage.frame.scrollIntoView({ block: "nearest" });
        };
        /** @type {HTMLElement} */
        const pressed = element("button", { type: "button", class: "small need", "aria-pressed": "false", onclick: seen, onfocus: show, onpointermove: show }, element("b", {}, token.text), ` ${falls ? `${percent(Math.exp(before[word]))} → ${percent(least)}, ${whereabouts(lost).replace(/^.*, /, "")}` : "needs no part"}`);
        return pressed;
      });
      told.replaceChildren(element("p", { class: "hint" }, "The light lies on what a word needs: cover that, and it falls the furthest."), element("div", { class: "needs", role: "group", "aria-label": "What each word needs" }, ...buttons));
      announce(`${PARTS * PARTS} parts were covered.`);
    });
  }

  /** Runs a check of the picture and its caption; a failure is told in its place. */
  async function check(/** @type {(picture: Picture, caption: Caption, mine: number) => Promise<void>} */ act) {
    const picture = current();
    const caption = picture?.best;
    if (!picture || !caption?.tokens.length) return;
    const mine = ++round;
    told.textContent = "Asking again…";
    all.disabled = true;
    try {
      await act(picture, caption, mine);
    } catch (reason) {
      const { sentence: what, advice } = /** @type {import("../../shell/failure.js").Failure} */ (reason);
      if (mine === round) told.textContent = what ? `${what} ${advice}` : "This browser can't show the picture, so it can't cover a part of it.";
    } finally {
      all.disabled = false;
    }
  }

  return {
    node,
    clear,
    /** Whether dragging over the picture covers a part of it. */
    turn(/** @type {boolean} */ on) {
      active = on;
      stage.frame.classList.toggle("coverable", on);
      if (!on) clear();
    },
  };
}

function between(/** @type {{x: number, y: number}} */ one, /** @type {{x: number, y: number}} */ other) {
  return { x: Math.min(one.x, other.x), y: Math.min(one.y, other.y), width: Math.abs(one.x - other.x), height: Math.abs(one.y - other.y) };
}

/** A picture that makes copies of itself: reduced, as JPEG, with a part in its own mean colour. */
async function open(/** @type {Blob} */ file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [Math.max(1, Math.round(scale * bitmap.width)), Math.max(1, Math.round(scale * bitmap.height))];
  const dot = new OffscreenCanvas(1, 1);
  dot.getContext("2d")?.drawImage(bitmap, 0, 0, 1, 1);
  const [red, green, blue] = dot.getContext("2d")?.getImageData(0, 0, 1, 1).data ?? [128, 128, 128];
  return {
    jpeg(/** @type {Part | null} */ part = null) {
      const canvas = new OffscreenCanvas(width, height);
      const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
      pen.drawImage(bitmap, 0, 0, width, height);
      pen.fillStyle = `rgb(${red} ${green} ${blue})`;
      if (part) pen.fillRect(part.x * width, part.y * height, part.width * width, part.height * height);
      return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
    },
  };
}

/** The log-probability of each word of a caption, said of another picture. */
async function said(/** @type {Picture} */ picture, /** @type {Caption} */ { tokens }, /** @type {Blob} */ file) {
  const asked = { method: "greedy", num_captions: "1", prefix: tokens.map(({ text }) => text).join(" "), min_length: "0", max_length: String(tokens.length + 1) };
  const answer = await send(picture, asked, file);
  return answer.captions[0].tokens.slice(0, tokens.length).map((/** @type {import("./album.js").Token} */ { logprob }) => logprob);
}

/** The caption of another picture, asked for in the same way. */
async function again(/** @type {Picture} */ picture, /** @type {Blob} */ file) {
  const asked = { ...Object.fromEntries(picture.parameters ?? []), num_captions: "1" };
  const answer = await send(picture, asked, file);
  return answer.captions[0].original ?? answer.captions[0].text;
}

function send(/** @type {Picture} */ { parameters }, /** @type {Record<string, string>} */ asked, /** @type {Blob} */ file) {
  const query = new URLSearchParams(asked);
  for (const name of ["model", "neutral"]) if (parameters?.has(name)) query.set(name, parameters.get(name) ?? "");
  const body = new FormData();
  body.append("image", file, "picture");
  return ask(`v1/captions?${query}`, { body });
}
