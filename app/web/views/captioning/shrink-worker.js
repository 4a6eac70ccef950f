// A worker: `{id, file, most}` in, `{id, copy}` out, the copy a JPEG of at most so many pixels a side, or null.

let last = Promise.resolve();

addEventListener("message", ({ data: { id, file, most } }) => {
  last = last.then(() => shrink(file, most)).then((copy) => postMessage({ id, copy }));
});

async function shrink(/** @type {Blob} */ file, /** @type {number} */ most) {
  try {
    const whole = await createImageBitmap(file);
    const scale = Math.min(1, most / Math.max(whole.width, whole.height));
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(whole.width * scale)), Math.max(1, Math.round(whole.height * scale)));
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "white"; // what is transparent becomes white, as for the network
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
  } catch {
    return null;
  }
}
