/** A pasted list of sentences, and its answers as a CSV file. */

import { button, element } from "../../shell/element.js";
import { save } from "../../shell/saving.js";
import { attempt } from "../../shell/trouble.js";
import { asCsv } from "../captioning/csv.js";

const BATCH = 100; // sentences of a request
const SHOWN = 8; // answers that are shown

/** @typedef {import("./page.js").Result} Result */

/**
 * Makes the panel.
 *
 * @param {(texts: string[]) => Promise<Result[]>} understand
 * @param {() => number} threshold
 */
export function listing(understand, threshold) {
  const text = element("textarea", { id: "intent-list", rows: 5, placeholder: "one sentence a line" });
  const told = element("div", { role: "status" });
  const { failed, run } = attempt(async () => {
    const texts = text.value.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
    /** @type {string[][]} */
    const rows = [["text", "intent", "title", "confidence", "in_scope"]];
    if (!texts.length) {
      told.replaceChildren(element("p", {}, "Paste some sentences first, one a line."));
      return;
    }
    for (let start = 0; start < texts.length; start += BATCH) {
      told.replaceChildren(element("p", {}, `${start} of ${texts.length} …`));
      const part = texts.slice(start, start + BATCH);
      const results = await understand(part);
      results.forEach(({ ranking: [best] }, place) => {
        const known = best.confidence >= threshold();
        rows.push([part[place], known ? best.intent : "out_of_scope", known ? best.title : "Outside what I know", best.confidence.toFixed(4), String(known)]);
      });
    }
    told.replaceChildren(...shown(rows));
  });
  return element(
    "section",
    { class: "panel", "aria-labelledby": "intent-list-title" },
    element("h2", { id: "intent-list-title" }, "A whole list"),
    element("p", {}, "Paste sentences, one a line. Their intents come as a CSV file, by the threshold that is set above."),
    element("label", { for: "intent-list", class: "hidden" }, "Sentences"),
    text,
    element("p", { class: "actions" }, button("Understand them", "next", run)),
    failed,
    told,
  );
}

function shown(/** @type {string[][]} */ rows) {
  const [head, ...answers] = rows;
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...answers.slice(0, SHOWN).map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))))),
  );
  return [
    element("p", {}, `${answers.length} sentences, ${answers.filter((row) => row[4] === "false").length} outside.${answers.length > SHOWN ? ` The first ${SHOWN}:` : ""}`),
    element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Answers" }, table),
    element("p", { class: "actions" }, button("Save as CSV", "save", () => save(asCsv(rows), "intents.csv", "text/csv"))),
  ];
}
