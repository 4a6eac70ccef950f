/** Transcription: what is said in a recording, made here or chosen, with the time and the confidence of each word. */

import { ask } from "../shell/api.js";
import { button, drawing, element } from "../shell/element.js";
import { models, preferred } from "../shell/models.js";
import { percent } from "../shell/percent.js";
import { attempt } from "../shell/trouble.js";

const TASK = "automatic-speech-recognition";
const MICROPHONE = "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5 11a7 7 0 0 0 14 0M12 18v3";
const RATE = 16000;
/** Columns of the drawing of a waveform. */
const COLUMNS = 400;

/** @typedef {{word: string, start: number, end: number, confidence: number}} Word */
/** @typedef {{text: string, duration: number, words: Word[]}} Transcript */

/** @type {import("../shell/view.js").View} */
export default {
  title: "Listen",
  hash: "listen",
  icon: MICROPHONE,
  task: TASK,

  mount({ section }) {
    const answer = element("div", { id: "transcription-answer", role: "status" });
    const choose = element("input", { id: "transcription-file", type: "file", accept: "audio/*" });
    /** @type {MediaRecorder | undefined} */
    let recorder;
    /** @type {Blob | undefined} */
    let recording;
    const { failed, run } = attempt(async () => {
      if (!recording) return;
      await models.load();
      const samples = await decoded(recording);
      const form = new FormData();
      form.append("file", wav(samples), "recording.wav");
      form.append("response_format", "verbose_json");
      form.append("timestamp_granularities[]", "word");
      const model = preferred(models.of(TASK))?.id;
      if (model) form.append("model", model);
      answer.replaceChildren(...shown(await ask("v1/audio/transcriptions", { body: form }), samples));
    });
    const { failed: silent, run: start } = attempt(async () => {
      if (recorder) return;
      const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
      const made = new MediaRecorder(microphone);
      recorder = made;
      made.ondataavailable = ({ data }) => {
        for (const track of microphone.getTracks()) track.stop();
        recorder = undefined;
        record.setAttribute("aria-pressed", "false");
        recording = data;
        run();
      };
      made.start();
      record.setAttribute("aria-pressed", "true");
    });
    const stop = () => recorder?.state === "recording" && recorder.stop();
    const record = button("Record", MICROPHONE, () => (recorder ? stop() : start()), "primary");
    record.setAttribute("aria-pressed", "false");
    record.title = "Or hold the space bar";
    // Held down, the space bar records; a click would come when it is let go of, and begin anew.
    section.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target === choose) return;
      event.preventDefault();
      if (!event.repeat) start();
    });
    section.addEventListener("keyup", (event) => {
      if (event.key !== " " || event.target === choose) return;
      event.preventDefault();
      stop();
    });
    choose.addEventListener("change", () => {
      recording = choose.files?.[0];
      run();
    });
    section.append(
      element("h1", {}, "What is said?"),
      element("p", { class: "actions" }, record, element("label", { for: "transcription-file", class: "hidden" }, "Recording"), choose),
      silent,
      failed,
      answer,
    );
  },

  about: ({ cell, num_layers, hidden_size, bidirectional }) => ({
    facts: [["Cells", `${num_layers} × ${hidden_size} ${cell}${bidirectional ? ", in both directions" : ""}`]],
    sample: [],
  }),
};

/** The samples of whatever the browser can decode, as one channel at the rate that recognisers hear. */
async function decoded(/** @type {Blob} */ file) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const heard = await context.decodeAudioData(await file.arrayBuffer()); // which resamples
  const mixed = new OfflineAudioContext(1, Math.max(1, heard.length), RATE);
  const source = mixed.createBufferSource();
  source.buffer = heard;
  source.connect(mixed.destination);
  source.start();
  return (await mixed.startRendering()).getChannelData(0);
}

/** A WAV file of samples, in 16 bits. */
function wav(/** @type {Float32Array} */ samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (/** @type {number} */ place, /** @type {string} */ text) => [...text].forEach((letter, number) => view.setUint8(place + number, letter.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, number) => view.setInt16(44 + 2 * number, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}

/** The parts of an answer: the text, and the waveform with the words below it. */
function shown(/** @type {Transcript} */ { text, words, duration }, /** @type {Float32Array} */ samples) {
  return [
    text ? element("h2", {}, text) : element("p", {}, "Nothing is said."),
    waveform(samples),
    element("ol", { class: "words", "aria-label": "Word by word" }, ...words.map(row)),
    element("p", {}, element("small", {}, `${duration.toFixed(1)} s`)),
  ];
}

function row(/** @type {Word} */ { word, start, end, confidence }) {
  return element("li", {}, word, " ", element("small", {}, `${start.toFixed(2)}–${end.toFixed(2)} s, ${percent(confidence)}`));
}

/** The loudest sample of each stretch, above and below a line. */
function waveform(/** @type {Float32Array} */ samples) {
  const stretch = Math.max(1, Math.ceil(samples.length / COLUMNS));
  let path = "";
  for (let column = 0; column * stretch < samples.length; column++) {
    const part = samples.subarray(column * stretch, (column + 1) * stretch);
    const height = 30 * part.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0.01);
    path += `M${column} ${30 - height}v${2 * height}`;
  }
  return drawing("svg", { class: "waveform", viewBox: `0 0 ${COLUMNS} 60`, "aria-hidden": "true" }, drawing("path", { d: path }));
}
