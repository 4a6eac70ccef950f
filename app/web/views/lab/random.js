/** Numbers that look random, and are the same for the same seed. */

/** A source of numbers from 0 to 1 (Marsaglia's xorshift). */
export function source(/** @type {number} */ seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** So many numbers from -bound to bound. */
export function uniform(/** @type {() => number} */ draw, /** @type {number} */ count, /** @type {number} */ bound) {
  return Array.from({ length: count }, () => bound * (2 * draw() - 1));
}
