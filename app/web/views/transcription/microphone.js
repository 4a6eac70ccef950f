/** The microphone, which is on only while something is recorded. */

import { Emitter } from "../../shell/emitter.js";
import { Failure } from "../../shell/failure.js";

const LEVELS = 60; // milliseconds between two levels

/** @type {Record<string, string>} */
const REFUSED = {
  NotAllowedError: "The browser does not let this page use the microphone. Allow it beside the address, then try again.",
  NotFoundError: "There is no microphone here. Choose a recording instead.",
  NotReadableError: "The microphone is in use elsewhere. Close what uses it, then try again.",
};

/**
 * Emits `changed` when it starts or stops, `level` with how loud it is meanwhile, from 0 to 1, and `recorded` with a
 * recording.
 *
 * @extends {Emitter<{changed: void, level: number, recorded: Blob}>}
 */
export class Microphone extends Emitter {
  /** Whether it records, or is about to. */
  onAir = false;
  /** @type {MediaRecorder | null} */
  #recorder = null;

  /** Starts to record; a Failure says why it can't. */
  async start() {
    if (this.onAir) return;
    this.#set(true);
    try {
      const stream = await open();
      if (this.onAir && !this.#recorder) this.#record(stream);
      else release(stream); // stopped before it was there
    } catch (error) {
      this.#set(false);
      throw error;
    }
  }

  stop() {
    this.#recorder?.stop();
    this.#recorder = null;
    if (this.onAir) this.#set(false);
  }

  #record(/** @type {MediaStream} */ stream) {
    const listening = this.#listen(stream);
    this.#recorder = new MediaRecorder(stream);
    this.#recorder.addEventListener("dataavailable", ({ data }) => {
      listening.close();
      release(stream);
      if (data.size) this.emit("recorded", data);
    });
    this.#recorder.start();
  }

  /** Tells how loud it is, until what it returns is closed. */
  #listen(/** @type {MediaStream} */ stream) {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    const samples = new Float32Array(analyser.fftSize);
    context.createMediaStreamSource(stream).connect(analyser);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      this.emit("level", Math.max(...samples.map(Math.abs)));
    }, LEVELS);
    return {
      close() {
        clearInterval(timer);
        context.close();
      },
    };
  }

  #set(/** @type {boolean} */ onAir) {
    this.onAir = onAir;
    this.emit("changed");
  }
}

async function open() {
  if (!navigator.mediaDevices) throw failure("Browsers let pages use the microphone over TLS or on this machine only. Choose a recording instead.");
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw failure(REFUSED[/** @type {DOMException} */ (error).name] ?? "The microphone does not answer. Choose a recording instead.");
  }
}

function release(/** @type {MediaStream} */ stream) {
  for (const track of stream.getTracks()) track.stop();
}

function failure(/** @type {string} */ message) {
  return new Failure({ code: "microphone", message });
}
