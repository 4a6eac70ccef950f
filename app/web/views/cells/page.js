/** The view of cells: a text that is read or written, painted by one cell; all cells beside it, and its gates beneath. */

import { readable } from "../../shell/alternatives.js";
import { ask, isAbort, json, stream } from "../../shell/api.js";
import { button, element, find, setIcon } from "../../shell/element.js";
import { Failure } from "../../shell/failure.js";
import { announce } from "../../shell/messages.js";
import { modelChoice, models, preferred } from "../../shell/models.js";
import { attempt, trouble } from "../../shell/trouble.js";
import { figure, rounded } from "../inside/figure.js";
import { Activity } from "./activity.js";
import { GateRows } from "./gates.js";
import { CellGrid } from "./grid.js";
import { PaintedText } from "./painted.js";
import { sample } from "./samples.js";

const TASK = "text-generation";
const MOST = 2000; // characters of a text
const WRITTEN = 400; // characters that are written at a time
const FOUND = 6; // cells that are listed for a range

/** @typedef {import("./activity.js").Place} Place */
/** @typedef {import("../../shell/models.js").Card} Card */
/** @typedef {Place & {label: string, r: number}} Named */

/** Fills the view, and returns what shows the cell of an address. */
export function mountCells(/** @type {HTMLElement} */ view) {
  /** @type {Card | null} */
  let card = null;
  /** @type {Activity | null} */
  let activity = null;
  /** @type {Place | null} */
  let chosen = null;
  /** @type {Named[]} */
  let named = [];
  /** @type {string[]} */
  let tokens = [];
  /** @type {import("./gates.js").Series | null} */
  let series = null; // of the chosen cell
  /** @type {AbortController | null} */
  let writing = null;
  let asked = ""; // the model and the cell of the address

  const text = element("textarea", { id: "cells-text", rows: 5, maxlength: MOST, spellcheck: "false", autocapitalize: "off" });
  const painted = new PaintedText();
  const grid = new CellGrid();
  const gates = new GateRows();
  const told = element("p", { class: "cell-told" });
  const pointed = element("p", { class: "hint", id: "cell-pointed" });
  const names = element("ul", { class: "named-cells", "aria-label": "Cells with a name" });
  const range = element("div", { class: "range-cells", role: "status" });
  const write = button("Let it write", "pen", () => (writing ? writing.abort() : carryOn()));
  const model = modelChoice(use);
  const { failed, run } = attempt(load);
  const reading = attempt(read);

  const drawn = figure({
    title: "What one cell keeps",
    says: "A cell has one number, its state c, which the forget gate keeps and the input gate adds to. Red is a state above zero, blue one below: read along, and see what it waits for.",
    code: { file: "model/cells.py", line: "c = f * state[1] + i * g" },
    table: () => {
      const rows = series ? GateRows.of(series) : [];
      return { head: ["place", "character", ...rows.map(([letter]) => (letter === "c" ? "tanh c" : letter))], rows: tokens.map((token, place) => [place + 1, readable(token), ...rows.map(([, values]) => values[place])]) };
    },
    body: [
      told,
      painted.node,
      pointed,
      gates.node,
      element("p", { class: "hint", id: "painted-keys" }, "Point at a character for its numbers; drag over some, and the cells that are on exactly there are listed. With keys: arrows walk, Shift with arrows chooses, Escape lets go."),
      range,
    ],
  });
  const all = figure({
    title: "All cells at this character",
    says: "Each square is a cell, and each block a layer: the first reads the characters, and the last decides on the next one. Those with a name have an edge; choose any, and the text is painted by it.",
    code: { file: "model/recurrent.py", line: "outputs, last = unroll(cell, outputs, before)  # (T, N, H)" },
    table: () => ({
      head: ["layer", "cell", "at this character"],
      rows: activity ? activity.restless(20).map((place) => [place.layer, place.cell, activity?.at(place, painted.cursor) ?? 0]) : [],
    }),
    body: [grid.node, element("p", { class: "hint", id: "grid-keys" }, "With keys: arrows go from cell to cell, Page Up and Page Down from layer to layer. The table has the 20 cells that vary most.")],
  });

  view.append(
    element(
      "div",
      { class: "cells inside" },
      element("h1", {}, "What a network keeps in mind"),
      failed,
      element(
        "section",
        { class: "cells-desk", "aria-label": "Text" },
        element("div", { class: "cells-input" }, element("label", { for: "cells-text", class: "hidden" }, "Text to read"), text, element("p", { class: "actions" }, button("Read it", "next", () => reading.run(), "primary"), write), reading.failed),
        element("div", { class: "panel controls" }, model.node, element("h2", {}, "Cells with a name"), names),
      ),
      drawn.node,
      all.node,
    ),
  );

  async function load() {
    await models.load();
    const cards = models.of(TASK);
    if (!cards.length) throw new Failure({ code: "no_model", message: "this server has no language model" });
    model.offer(cards);
    const [id] = asked.split("/");
    const first = cards.find((card) => card.id === id) ?? preferred(cards);
    model.value = first.id;
    await use(first);
  }

  function use(/** @type {Card} */ other) {
    const mine = card !== null && text.value !== sample(card.id);
    writing?.abort();
    if (!mine) text.value = sample(other.id);
    if (card?.id !== other.id) chosen = null;
    card = other;
    return reading.run();
  }

  /** Has the text read, and paints it by the chosen cell. */
  async function read() {
    if (!card) return;
    const own = card;
    const answer = await ask("v1/states", json({ model: own.id, text: text.value, top: 1, activity: true }));
    if (own !== card) return; // another model was chosen meanwhile
    tokens = answer.tokens;
    activity = new Activity(answer.activity, tokens.length);
    named = answer.readable;
    grid.shape(activity.layers, activity.cells, named);
    painted.write(tokens);
    listNames();
    choose(wanted(own, activity) ?? chosen ?? named[0] ?? activity.restless(1)[0]);
    painted.point(painted.cursor);
  }

  /** The cell of the address, if it is one of this model's and has not been shown yet. */
  function wanted(/** @type {Card} */ card, /** @type {Activity} */ { layers, cells }) {
    const [id, layer, cell] = asked.split("/");
    const place = { layer: Number(layer), cell: Number(cell) };
    asked = "";
    return id === card.id && place.layer >= 1 && place.layer <= layers && place.cell >= 0 && place.cell < cells ? place : null;
  }

  function listNames() {
    const buttons = named.map((place) =>
      element(
        "li",
        {},
        element("button", { type: "button", "data-place": `${place.layer}/${place.cell}`, onclick: () => choose(place) }, element("span", {}, place.label), element("small", {}, `layer ${place.layer}, cell ${place.cell}, r = ${rounded(place.r, 2)}`)),
      ),
    );
    const hint = named.length ? "r is the correlation with that, on text that neither the training nor the choice of the cell has seen." : "None of this model's cells has been found to follow something in its text.";
    names.replaceChildren(...buttons, element("li", { class: "hint" }, hint));
  }

  /** Paints the text by a cell. */
  function choose(/** @type {Place} */ place) {
    if (!card || !activity) return;
    chosen = place;
    grid.choose(place);
    painted.paint(activity.of(place));
    for (const made of names.querySelectorAll("button")) made.setAttribute("aria-pressed", String(made.dataset.place === `${place.layer}/${place.cell}`));
    const known = named.find(({ layer, cell }) => layer === place.layer && cell === place.cell);
    told.replaceChildren(element("strong", {}, `Layer ${place.layer}, cell ${place.cell}`), known ? `: ${known.label}, r = ${rounded(known.r, 2)} on held-out text` : "");
    if (/^#(cells|inside)/.test(location.hash)) history.replaceState(null, "", `#cells/${card.id}/${place.layer}/${place.cell}`);
    point(painted.cursor);
    measure();
  }

  /** Asks for the gates of the chosen cell. */
  async function measure() {
    const place = chosen;
    if (!card || !place) return;
    try {
      const { cells } = await ask("v1/states", json({ model: card.id, text: tokens.join(""), layer: place.layer, cells: [place.cell], gates: true }));
      if (place !== chosen) return; // another one was chosen meanwhile
      [series] = cells;
      gates.show(cells[0]);
      gates.point(painted.cursor);
      drawn.update();
    } catch (error) {
      reading.failed.replaceChildren(trouble(/** @type {Failure} */ (error), { again: measure }));
    }
  }

  function point(/** @type {number} */ token) {
    if (!activity || !chosen || token >= activity.length) return;
    grid.show(activity, token);
    gates.point(token);
    pointed.textContent = `${card?.unit === "word" ? "Word" : "Character"} ${token + 1} of ${tokens.length}, ${readable(tokens[token])}: ${rounded(activity.at(chosen, token), 2)}`;
    all.update();
  }

  function findCells(/** @type {[number, number] | null} */ chosenRange) {
    if (!activity || !chosenRange) {
      range.replaceChildren();
      return;
    }
    const found = activity.on(...chosenRange, FOUND);
    const words = tokens.slice(...chosenRange).join("").replaceAll("\n", "↵").replaceAll("\t", "⇥");
    range.replaceChildren(
      element("h3", {}, `On exactly at “${words.length > 40 ? `${words.slice(0, 39)}…` : words}”`),
      element("ol", { class: "found-cells" }, ...found.map((place) => element("li", {}, element("button", { type: "button", class: "small", onclick: () => choose(place) }, `Layer ${place.layer}, cell ${place.cell}`), element("small", {}, `r = ${rounded(place.r, 2)}`)))),
    );
  }

  /** Has the model go on with the text, which is painted as it comes. */
  async function carryOn() {
    if (!card || !chosen) return;
    const own = new AbortController();
    writing = own;
    drawWrite();
    announce("Writing.");
    reading.failed.replaceChildren();
    let whole = text.value;
    let painting = Promise.resolve();
    let waits = false;
    const most = Math.min(WRITTEN, MOST - whole.length);
    try {
      const options = { ...json({ model: card.id, prompt: whole, max_tokens: Math.max(1, most), stream: true }), signal: own.signal };
      for await (const { data } of stream("v1/completions", options)) {
        whole += data.choices[0].text;
        if (waits) continue; // what is read next has these characters too
        waits = true;
        painting = painting.then(() => {
          waits = false;
          return follow(whole, own.signal);
        });
        painting.catch(() => {}); // told where it is awaited, unless the writing itself fails first
      }
      await painting;
    } catch (error) {
      if (!isAbort(error)) reading.failed.replaceChildren(trouble(/** @type {Failure} */ (error), { again: carryOn }));
    }
    writing = null;
    drawWrite();
    text.value = whole.slice(0, MOST);
    announce("Done.");
    await reading.run();
  }

  /** Paints a text that is still being written. */
  async function follow(/** @type {string} */ whole, /** @type {AbortSignal} */ signal) {
    if (!card || !chosen || signal.aborted) return;
    const { layer, cell } = chosen;
    const answer = await ask("v1/states", { ...json({ model: card.id, text: whole, layer, cells: [cell] }), signal });
    const [{ cell_state, hidden }] = answer.cells;
    painted.write(answer.tokens);
    painted.paint(cell_state?.map(Math.tanh) ?? hidden);
  }

  function drawWrite() {
    setIcon(write, writing ? "stop" : "pen");
    find("span", write).textContent = writing ? "Stop" : "Let it write";
  }

  painted.on("pointed", point);
  painted.on("chosen", findCells);
  grid.on("chosen", choose);
  run();

  return (/** @type {string} */ place) => {
    const [id, layer, cell] = place.split("/");
    if (!id) return;
    asked = place;
    const other = models.of(TASK).find((card) => card.id === id);
    if (!card || !other) return; // it is shown when the models are there
    if (other !== card) {
      model.value = id;
      use(other);
    } else if (activity && cell !== undefined && !(chosen?.layer === Number(layer) && chosen.cell === Number(cell))) {
      const to = wanted(card, activity);
      if (to) choose(to);
    }
  };
}
