/** The views, in the order of the navigation: a line for each. The page opens with the first. */

const modules = await Promise.all([
  import("./captioning.js"),
  import("./contact-sheet.js"),
  import("./text.js"),
  import("./intents.js"),
  import("./translation.js"),
  import("./transcription.js"),
  import("./speech.js"),
  import("./forecasting.js"),
  import("./beam.js"),
  import("./cells.js"),
  import("./lab.js"),
  import("./models.js"),
]);

/** @type {import("../shell/view.js").View[]} */
export const VIEWS = modules.map((module) => module.default);
