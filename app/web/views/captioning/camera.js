/** The dialog that takes a picture with the camera. */

import { element } from "../../shell/element.js";

/** @type {Record<string, string>} */
const REFUSED = {
  NotAllowedError: "The browser does not let this page use the camera. Allow it beside the address, then try again.",
  NotFoundError: "There is no camera here. Choose a picture instead.",
  NotReadableError: "The camera is in use elsewhere. Close what uses it, then try again.",
};

/** Opens the camera, and calls `take` with a picture if one is taken. */
export async function openCamera(/** @type {import("../../shell/view.js").Files["take"]} */ take) {
  const video = element("video", { autoplay: true, muted: true, playsinline: true, "aria-label": "What the camera sees" });
  const why = element("p", { role: "alert" });
  const shoot = element("button", { type: "button", class: "primary", disabled: true }, "Take the picture");
  const dialog = element(
    "dialog",
    { class: "camera", "aria-label": "Camera" },
    video,
    why,
    element("p", { class: "actions" }, shoot, element("button", { type: "button", onclick: () => dialog.close() }, "Close")),
  );
  /** @type {MediaStream | null} */
  let stream = null;
  dialog.addEventListener("close", () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    dialog.remove();
  });
  shoot.addEventListener("click", async () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    const file = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
    dialog.close();
    take([{ file, name: `camera-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jpg` }]);
  });
  document.body.append(dialog);
  dialog.showModal();
  if (!navigator.mediaDevices) {
    video.hidden = shoot.hidden = true; // rather than a black rectangle
    why.textContent = "Browsers let pages use the camera over TLS or on this machine only. Choose a picture instead.";
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
    if (!dialog.open) {
      for (const track of stream.getTracks()) track.stop(); // closed meanwhile
      return;
    }
    video.srcObject = stream;
    await video.play();
    shoot.disabled = false;
    shoot.focus();
  } catch (error) {
    video.hidden = shoot.hidden = true;
    why.textContent = REFUSED[/** @type {DOMException} */ (error).name] ?? "The camera does not answer. Choose a picture instead.";
  }
}
