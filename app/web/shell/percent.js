/** A share of one as a percentage, for reading. */
export function percent(/** @type {number} */ share) {
  return `${Math.round(100 * share)} %`;
}
