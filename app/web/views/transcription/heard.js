/** What was heard, and when: waveform, spectrum, the probabilities of letters and the path through them, on one axis. */

import { drawing, element } from "../../shell/element.js";
import { figure } from "../inside/figure.js";
import { logMel } from "./mel.js";
import { Posteriors } from "./posteriors.js";
import { RATE } from "./sound.js";

const SECOND = 160; // pixels
const LONGEST = 30; // seconds that are drawn
const BANDS = 40;
const ROW = 15; // height of a letter's row
const LEAST = 0.05; // probability that a letter has somewhere, to have a row
const CONTEXT = 0.06; // seconds that are played around a letter

/** @typedef {import("./posteriors.js").Said} Said */
/** @typedef {import("./posteriors.js").Piece} Piece */

/**
 * The figure: `show` draws a recording.
 *
 * @param {(samples: Float32Array, start: number, end: number) => unknown} play
 */
export function heardFigure(play) {
  /** @type {Said[]} */
  let path = [];
  const axis = element("div", { class: "axis" });
  const names = element("div", { class: "row-names", "aria-hidden": "true" });
  const told = element("p", { class: "hint" });
  const made = figure({
    title: "What it heard, and when",
    says: "At every 40 ms the network says which letter it hears, or none: the grey row is the blank. Equal letters in a row are one, and these letters go to the search, where the language model has its say; press one to hear it.",
    code: { file: "model/decoding/ctc.py", line: "return tuple(path[changes & (path != BLANK)].tolist())" },
    table: () => ({ head: ["letter", "from", "to", "probability"], rows: path.map(({ letter, start, end, probability }) => [named(letter), `${start.toFixed(2)} s`, `${end.toFixed(2)} s`, probability]) }),
    body: [element("div", { class: "scroll heard", tabindex: 0, role: "group", "aria-label": "Time, from left to right" }, axis), told],
  });
  made.node.hidden = true;

  return {
    node: made.node,
    show(/** @type {Float32Array} */ samples, /** @type {Piece[]} */ pieces) {
      made.node.hidden = pieces.length === 0;
      if (!pieces.length) return;
      const seconds = Math.min(LONGEST, samples.length / RATE);
      const heard = pieces.map((piece) => new Posteriors(piece)).filter(({ start }) => start < seconds);
      const rows = heard[0].letters.map((_, letter) => letter).filter((letter) => letter === 0 || heard.some((piece) => Array.from({ length: piece.length }, (_, frame) => piece.at(frame, letter)).some((value) => value >= LEAST)));
      path = heard.flatMap((piece) => piece.path());
      const width = Math.max(1, Math.round(SECOND * seconds));
      names.replaceChildren(...rows.map((letter) => element("span", {}, letter ? named(heard[0].letters[letter]) : "none")));
      axis.style.width = `${width}px`;
      const shown = samples.subarray(0, seconds * RATE);
      axis.replaceChildren(outline(shown, width), spectrum(shown, width), names, heat(heard, rows, width), letters(path, (said) => play(samples, Math.max(0, said.start - CONTEXT), said.end + CONTEXT)));
      told.textContent = samples.length / RATE > LONGEST ? `The first ${LONGEST} seconds.` : "";
      made.update();
    },
  };
}

function named(/** @type {string} */ letter) {
  return letter === " " ? "␣" : letter;
}

function outline(/** @type {Float32Array} */ samples, /** @type {number} */ width) {
  const stretch = samples.length / width;
  let d = "";
  for (let column = 0; column < width; column += 2) {
    const part = samples.subarray(column * stretch, (column + 2) * stretch);
    const height = 24 * part.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0.01);
    d += `M${column} ${(24 - height).toFixed(1)}v${(2 * height).toFixed(1)}`;
  }
  return drawing("svg", { class: "outline", viewBox: `0 0 ${width} 48`, "aria-hidden": "true" }, drawing("path", { d }));
}

/** The spectrum, low tones below; the louder, the deeper. */
function spectrum(/** @type {Float32Array} */ samples, /** @type {number} */ width) {
  const frames = logMel(samples, BANDS);
  const values = frames.flatMap((frame) => [...frame]);
  const sorted = Float32Array.from(values).sort();
  const [low, high] = [sorted[Math.floor(0.05 * sorted.length)] ?? 0, sorted[Math.floor(0.995 * sorted.length)] ?? 1];
  return picture(frames.length, BANDS, { width: `${width}px`, height: "80px" }, (column, row) => [196, 77, 24, (frames[column][BANDS - 1 - row] - low) / (high - low || 1)], "The spectrum");
}

/** The probability of each letter at each frame; the blank is grey. */
function heat(/** @type {Posteriors[]} */ heard, /** @type {number[]} */ rows, /** @type {number} */ width) {
  const { step } = heard[0];
  const frames = Math.max(1, Math.round(width / SECOND / step));
  const cells = new Float32Array(frames * rows.length);
  for (const piece of heard) {
    const first = Math.round(piece.start / step);
    for (let frame = 0; frame < piece.length && first + frame < frames; frame++) for (const [row, letter] of rows.entries()) cells[(first + frame) * rows.length + row] = piece.at(frame, letter);
  }
  return picture(frames, rows.length, { width: `${width}px`, height: `${ROW * rows.length}px` }, (column, row) => [...(row ? [196, 77, 24] : [130, 130, 130]), cells[column * rows.length + row] * (row ? 1 : 0.45)], "The letters' probabilities");
}

/**
 * A picture of so many columns and rows, each a colour with its opacity.
 *
 * @param {number} columns
 * @param {number} rows
 * @param {{width: string, height: string}} size
 * @param {(column: number, row: number) => number[]} colour
 * @param {string} name
 */
function picture(columns, rows, size, colour, name) {
  const canvas = element("canvas", { class: "heat", width: Math.max(1, columns), height: rows, role: "img", "aria-label": `${name}; the table has what was heard` });
  Object.assign(canvas.style, size);
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(Math.max(1, columns), rows);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const [red, green, blue, opacity] = colour(column, row);
      image.data.set([red, green, blue, 255 * Math.max(0, Math.min(1, opacity))], 4 * (row * columns + column));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The letters of the path under their peaks; arrow keys go from one to the next. */
function letters(/** @type {Said[]} */ path, /** @type {(said: Said) => unknown} */ play) {
  const buttons = path.map((said, place) => {
    const made = element("button", { type: "button", class: "letter", tabindex: place ? -1 : 0, title: `${Math.round(100 * said.probability)} %`, "aria-label": `${named(said.letter)} at ${said.peak.toFixed(2)} seconds, ${Math.round(100 * said.probability)} %`, onclick: () => play(said) }, named(said.letter));
    made.style.left = `${(SECOND * said.peak).toFixed(1)}px`;
    return made;
  });
  const row = element("div", { class: "peaks", role: "group", "aria-label": "The letters" }, ...buttons);
  row.addEventListener("keydown", (event) => {
    const place = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const next = buttons[place + ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0)];
    if (place < 0 || !next || next === buttons[place]) return;
    event.preventDefault();
    buttons[place].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return row;
}
