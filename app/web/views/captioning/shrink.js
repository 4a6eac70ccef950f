/** Smaller copies of pictures, for thumbnails, and for servers that refuse the original as too large. */

const THUMBNAIL = 320;
const SMALLER = 2048;

/** @type {Map<number, (copy: Blob | null) => void>} */
const waiting = new Map();
/** @type {Worker | null} */
let worker = null;
let asked = 0;

/** A picture no more than 320 pixels a side; null where the browser can't read it. */
export function thumbnail(/** @type {Blob} */ file) {
  return shrink(file, THUMBNAIL);
}

/** A picture as a JPEG no more than 2048 pixels a side; null where the browser can't read it. */
export function reduced(/** @type {Blob} */ file) {
  return shrink(file, SMALLER);
}

/**
 * Makes the copy in a worker, one picture after the other, so that the page stays responsive.
 *
 * @param {Blob} file
 * @param {number} most Pixels a side.
 * @returns {Promise<Blob | null>}
 */
function shrink(file, most) {
  if (!worker) {
    worker = new Worker(new URL("shrink-worker.js", import.meta.url));
    worker.addEventListener("message", ({ data }) => {
      waiting.get(data.id)?.(data.copy);
      waiting.delete(data.id);
    });
  }
  const id = ++asked;
  worker.postMessage({ id, file, most });
  return new Promise((resolve) => waiting.set(id, resolve));
}
