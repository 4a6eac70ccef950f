/** The place where recordings are made and read: a button that records, the text, and its words under the waveform. */

import { ask, json, request } from "../../shell/api.js";
import { button, element, find } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { modelChoice, models, preferred } from "../../shell/models.js";
import { percent } from "../../shell/percent.js";
import { attempt, trouble } from "../../shell/trouble.js";
import { heardFigure } from "./heard.js";
import { Microphone } from "./microphone.js";
import { decode, encode, RATE, waveform } from "./sound.js";

const TASK = "automatic-speech-recognition";
const SPEAKER = "text-to-speech";
const CLIPS = ["one two three", "four five six", "seven eight nine"];
const CIRCLE = "M12 5a7 7 0 1 0 0 14a7 7 0 1 0 0-14z";

/** @typedef {import("../../shell/failure.js").Failure} Failure */
/** @typedef {{word: string, start: number, end: number, confidence: number}} Word */
/** @typedef {{text: string, duration: number, words: Word[], frames: import("./posteriors.js").Piece[]}} Transcript */
/** @typedef {{hear: (recording: Blob) => unknown}} Booth */

/**
 * Fills a section, and returns what takes recordings that come in other ways.
 *
 * @param {HTMLElement} section
 * @param {import("../../shell/view.js").Files} files
 * @returns {Booth}
 */
export function mountBooth(section, files) {
  const answer = element("div", { id: "transcription-answer", role: "status" });
  /** @type {Blob | null} */
  let recording = null;
  /** @type {import("../../shell/models.js").Card | null} */
  let model = null;
  let played = ""; // the address of what the page can play
  const chosen = modelChoice((card) => {
    model = card;
    run();
  });

  async function load() {
    await models.load();
    const cards = models.of(TASK);
    chosen.offer(cards);
    chosen.node.hidden = cards.length < 2;
    clips.hidden = !models.of(SPEAKER).length;
    model ??= preferred(cards);
    if (model) chosen.value = model.id;
  }

  const { failed, run } = attempt(async () => {
    const asked = recording;
    if (!asked) return;
    answer.replaceChildren(element("p", { class: "hint" }, "One moment …"));
    try {
      await load();
      const samples = await decode(asked);
      const file = encode(samples);
      const form = new FormData();
      form.append("file", file, "recording.wav");
      form.append("response_format", "verbose_json");
      form.append("timestamp_granularities[]", "word");
      form.append("timestamp_granularities[]", "frame");
      if (model) form.append("model", model.id);
      const transcript = await ask("v1/audio/transcriptions", { body: form });
      if (asked !== recording) return; // another one has been made or chosen meanwhile
      URL.revokeObjectURL(played);
      played = URL.createObjectURL(file);
      answer.replaceChildren(...shown(transcript, samples, played));
      heard.show(samples, transcript.frames);
    } catch (error) {
      if (asked !== recording) return;
      answer.replaceChildren();
      heard.show(new Float32Array(), []);
      throw error;
    }
  });

  function hear(/** @type {Blob} */ blob) {
    recording = blob;
    return run();
  }

  const clips = element(
    "p",
    { class: "clips", role: "group", "aria-label": "Without a microphone", hidden: true },
    element("span", { class: "hint" }, "No microphone? Let Recap say"),
    ...CLIPS.map((text) => element("button", { type: "button", class: "small", onclick: () => say(text) }, text)),
  );
  const heard = heardFigure(play);
  const level = element("meter", { class: "level", min: 0, max: 1, low: 0.02, "aria-label": "How loud it is", hidden: true });
  const microphone = new Microphone();
  microphone.on("level", (loudness) => {
    level.value = Math.sqrt(loudness);
  });
  microphone.on("recorded", hear);
  microphone.on("changed", () => {
    find("span", record).textContent = microphone.onAir ? "Stop" : "Record";
    level.hidden = !microphone.onAir;
    level.value = 0;
  });

  async function start() {
    failed.replaceChildren();
    try {
      await microphone.start();
    } catch (error) {
      failed.replaceChildren(trouble(/** @type {Failure} */ (error), { again: start }));
    }
  }

  /** Has the server's own voice say something, for those without a microphone. */
  async function say(/** @type {string} */ input) {
    failed.replaceChildren();
    try {
      const model = preferred(models.of(SPEAKER))?.id;
      const spoken = await request("v1/audio/speech", json({ model, input, response_format: "wav" }));
      await hear(await spoken.blob());
    } catch (error) {
      failed.replaceChildren(trouble(/** @type {Failure} */ (error), { again: () => say(input) }));
    }
  }

  const record = button("Record", CIRCLE, () => (microphone.onAir ? microphone.stop() : start()), "primary");
  whileHeld(record, start, () => microphone.stop());
  load().catch(() => {}); // told when something is recorded
  section.append(
    element(
      "div",
      { class: "booth inside" },
      element("h1", {}, "What is said?"),
      element("p", { class: "actions" }, record, button("Choose a recording", "M12 16V4m-5 5 5-5 5 5M4 20h16", () => choose(files)), level, chosen.node),
      element(
        "p",
        { class: "hint" },
        "Press the button, speak, and press it again; or go to it with ",
        element("kbd", {}, "Tab"),
        ", and hold the ",
        element("kbd", {}, "space bar"),
        " for as long as you speak. A model knows the kinds of sentences that it was trained on, and takes others for those. What you say goes to this server and nowhere else, and it keeps none of it.",
      ),
      clips,
      failed,
      answer,
      heard.node,
    ),
  );
  return { hear };
}

/** Has the space bar start something while it is held on a button, instead of pressing it. Elsewhere it scrolls. */
function whileHeld(/** @type {HTMLButtonElement} */ button, /** @type {() => unknown} */ start, /** @type {() => void} */ stop) {
  let held = false;
  const release = () => {
    if (held) stop();
    held = false;
  };
  button.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    if (event.repeat) return;
    held = true;
    start();
  });
  button.addEventListener("keyup", (event) => {
    if (event.key !== " ") return;
    event.preventDefault(); // which would be the click
    release();
  });
  button.addEventListener("blur", release); // somebody else hears of the key from here on
}

/**
 * The parts of an answer: the text, the recording, and its words, each of which plays itself.
 *
 * @param {Transcript} transcript
 * @param {Float32Array} samples
 * @param {string} played The address of the recording.
 */
function shown({ text, words, duration }, samples, played) {
  return [
    text ? element("h2", {}, text) : element("p", {}, "Nothing is said."),
    waveform(samples),
    element("p", { class: "actions" }, element("audio", { controls: true, src: played }), element("small", {}, `${duration.toFixed(1)} s`)),
    words.length > 0 && element("ol", { class: "words", "aria-label": "Word by word" }, ...words.map((word) => row(word, samples))),
  ].filter((part) => part !== false);
}

function row(/** @type {Word} */ { word, start, end, confidence }, /** @type {Float32Array} */ samples) {
  const when = `${start.toFixed(2)}–${end.toFixed(2)} s`;
  return element(
    "li",
    {},
    element("button", { type: "button", class: "small", title: "Play it", onclick: () => play(samples, start, end) }, word),
    element("small", {}, when),
    element("small", {}, percent(confidence)),
  );
}

/** Plays a part of a recording, from one second to another. */
function play(/** @type {Float32Array} */ samples, /** @type {number} */ start, /** @type {number} */ end) {
  const audio = new Audio(URL.createObjectURL(encode(samples.subarray(start * RATE, end * RATE))));
  audio.addEventListener("ended", () => URL.revokeObjectURL(audio.src));
  return audio.play();
}
