/** Transcription: what is said in a recording, made here or chosen, with the time and the confidence of each word. */

/** @type {import("./transcription/booth.js").Booth | null} */
let booth = null;

/** @type {import("../shell/view.js").Files} */
const recordings = {
  accept: "audio/*,video/webm",
  names: /\.(wav|flac|og[ag]|opus|mp3|m4a|webm)$/i,
  none: "There are no recordings in this folder.",
  link: "That is a link. Save the recording, and drop the file.",
  take: ([{ file }]) => booth?.hear(file),
};

/** @type {import("../shell/view.js").View} */
export default {
  title: "Listen",
  hash: "listen",
  icon: "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5 11a7 7 0 0 0 14 0M12 18v3",
  says: "Speech into text",
  task: "automatic-speech-recognition",
  files: recordings,

  async mount({ section }) {
    const { mountBooth } = await import("./transcription/booth.js");
    booth = mountBooth(section, recordings);
  },

  about: ({ cell, num_layers, hidden_size, bidirectional }) => ({
    facts: [["Cells", `${num_layers} × ${hidden_size} ${cell}${bidirectional ? ", in both directions" : ""}`]],
    sample: [],
  }),
};
