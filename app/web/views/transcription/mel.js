/** The log-mel spectrum of a recording, as `model/audio/mel.py` has it: what a recogniser is given to hear. */

import { RATE } from "./sound.js";

const HOP = 160; // samples between two frames: 10 ms
const WINDOW = 400;
const FFT = 512;
const LOWEST = 60; // hertz
const FLOOR = 1e-6;

const mel = (/** @type {number} */ hertz) => 2595 * Math.log10(1 + hertz / 700);

/** The logarithms of the power in so many bands, a row for each 10 ms. A frame hears nothing that comes after it. */
export function logMel(/** @type {Float32Array} */ samples, /** @type {number} */ bands) {
  const window = Float64Array.from({ length: FFT }, (_, place) => {
    const at = place - (FFT - WINDOW) / 2; // the window stands in the middle of its transform
    return at >= 0 && at < WINDOW ? 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / WINDOW) : 0;
  });
  const power = Math.sqrt(window.reduce((sum, value) => sum + value * value, 0));
  const filters = triangles(bands);
  const real = new Float64Array(FFT);
  const imaginary = new Float64Array(FFT);
  return Array.from({ length: Math.floor(samples.length / HOP) }, (_, frame) => {
    const start = (frame + 1) * HOP - FFT;
    for (let place = 0; place < FFT; place++) real[place] = ((samples[start + place] ?? 0) * window[place]) / power;
    imaginary.fill(0);
    transform(real, imaginary);
    return Float32Array.from(filters, ({ first, weights }) => {
      let sum = 0;
      for (let place = 0; place < weights.length; place++) sum += weights[place] * (real[first + place] ** 2 + imaginary[first + place] ** 2);
      return Math.log(sum + FLOOR);
    });
  });
}

/** Triangles in mel, whose corners are equally far apart: the first bin of each, and its weights from there. */
function triangles(/** @type {number} */ bands) {
  const [low, high] = [mel(LOWEST), mel(RATE / 2)];
  const corners = Array.from({ length: bands + 2 }, (_, place) => low + ((high - low) * place) / (bands + 1));
  return Array.from({ length: bands }, (_, band) => {
    const [left, middle, right] = corners.slice(band, band + 3);
    const all = Array.from({ length: FFT / 2 + 1 }, (_, bin) => {
      const at = mel((bin * RATE) / FFT);
      return Math.max(0, Math.min((at - left) / (middle - left), (right - at) / (right - middle)));
    });
    const first = Math.max(0, all.findIndex((weight) => weight > 0));
    const last = all.findLastIndex((weight) => weight > 0);
    return { first, weights: all.slice(first, last + 1) };
  });
}

/** Fourier's transform, in place, of a power of two of numbers (Cooley and Tukey, 1965). */
function transform(/** @type {Float64Array} */ real, /** @type {Float64Array} */ imaginary) {
  const size = real.length;
  for (let place = 1, turned = 0; place < size; place++) {
    let bit = size >> 1;
    for (; turned & bit; bit >>= 1) turned ^= bit;
    turned ^= bit;
    if (place < turned) [real[place], real[turned], imaginary[place], imaginary[turned]] = [real[turned], real[place], imaginary[turned], imaginary[place]];
  }
  for (let length = 2; length <= size; length *= 2) {
    for (let start = 0; start < size; start += length) {
      for (let place = 0; place < length / 2; place++) {
        const angle = (-2 * Math.PI * place) / length;
        const [one, other] = [start + place, start + place + length / 2];
        const re = real[other] * Math.cos(angle) - imaginary[other] * Math.sin(angle);
        const im = real[other] * Math.sin(angle) + imaginary[other] * Math.cos(angle);
        [real[other], imaginary[other]] = [real[one] - re, imaginary[one] - im];
        [real[one], imaginary[one]] = [real[one] + re, imaginary[one] + im];
      }
    }
  }
}
