/** Recordings as samples: decoded, encoded and drawn. */

import { drawing } from "../../shell/element.js";
import { Failure } from "../../shell/failure.js";

/** Samples a second that recognisers hear. */
export const RATE = 16000;
/** Columns of the drawing of a waveform. */
const COLUMNS = 400;

/** The samples of whatever the browser can decode, as one channel at `RATE`; a Failure if it can't. */
export async function decode(/** @type {Blob} */ recording) {
  const data = await recording.arrayBuffer();
  let heard;
  try {
    heard = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(data); // which resamples
  } catch {
    throw new Failure({ code: "not_a_recording", message: "the browser finds no recording in this file; WAV, FLAC, Ogg and MP3 are some that it knows" });
  }
  const mixed = new OfflineAudioContext(1, Math.max(1, heard.length), RATE);
  const source = mixed.createBufferSource();
  source.buffer = heard;
  source.connect(mixed.destination);
  source.start();
  return (await mixed.startRendering()).getChannelData(0);
}

/** A WAV file of samples, in 16 bits. */
export function encode(/** @type {Float32Array} */ samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (/** @type {number} */ place, /** @type {string} */ text) => {
    for (let number = 0; number < text.length; number++) view.setUint8(place + number, text.charCodeAt(number));
  };
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // integers
  view.setUint16(22, 1, true); // channel
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true); // bytes a second
  view.setUint16(32, 2, true); // bytes of a sample
  view.setUint16(34, 16, true); // bits of one
  write(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  for (let number = 0; number < samples.length; number++) view.setInt16(44 + 2 * number, Math.max(-1, Math.min(1, samples[number])) * 32767, true);
  return new Blob([view], { type: "audio/wav" });
}

/** The loudest sample of each stretch, above and below a line. */
export function waveform(/** @type {Float32Array} */ samples) {
  const stretch = Math.max(1, Math.ceil(samples.length / COLUMNS));
  let path = "";
  for (let column = 0; column * stretch < samples.length; column++) {
    const part = samples.subarray(column * stretch, (column + 1) * stretch);
    const height = 30 * part.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0.01);
    path += `M${column} ${(30 - height).toFixed(1)}v${(2 * height).toFixed(1)}`;
  }
  const columns = Math.ceil(samples.length / stretch);
  return drawing("svg", { class: "waveform", viewBox: `0 0 ${columns} 60`, preserveAspectRatio: "none", "aria-hidden": "true" }, drawing("path", { d: path }));
}
