/** The windows of truncated backpropagation, as `training/tasks/text/bptt.py` has them. */

/**
 * A chunk: the steps whose losses it has, from `begin` up to but not with `end`; the step `start` at which its gradient
 * ends; and the first step, `scored`, whose loss reaches the weights at all. Steps count from 0.
 *
 * @typedef {{begin: number, end: number, start: number, scored: number}} Window
 */

/** The windows over a sequence: at every k1 steps, back through k2. */
export function windows(/** @type {number} */ length, /** @type {number} */ k1, /** @type {number} */ k2) {
  /** @type {Window[]} */
  const found = [];
  for (let begin = 0; begin < length; begin += k1) {
    const end = Math.min(begin + k1, length);
    const start = Math.max(0, end - k2);
    found.push({ begin, end, start, scored: Math.max(begin, start) });
  }
  return found;
}
