/** Two ways to caption the same pictures, side by side: what differs is marked, a person votes, references give scores. */

import { ask } from "../../shell/api.js";
import { choice, segments, slider } from "../../shell/controls.js";
import { button, element, find } from "../../shell/element.js";
import { choose } from "../../shell/intake.js";
import { announce, clearNotice, notice } from "../../shell/messages.js";
import { modelChoice, models } from "../../shell/models.js";
import { save } from "../../shell/saving.js";
import { store } from "../../shell/store.js";
import { album } from "./album.js";
import { asCsv } from "./csv.js";
import { Decoding, decoding } from "./decoding.js";
import { SLIDERS } from "./decoding-panel.js";
import { marked } from "./difference.js";
import { sentence } from "./formats.js";
import { bleu, Cider, tokens } from "./metrics.js";
import { readReferences } from "./references.js";

/** @typedef {import("./album.js").Picture} Picture */
/** @typedef {"A" | "B" | "tie"} Vote */
/** @typedef {{text: string, error?: string, cider?: number, bleu?: number}} Result */
/** @typedef {{picture: Picture, node: HTMLElement, results: [Result?, Result?]}} Row */

const AT_ONCE = 4;
const TRIES = 60; // while the server is busy
const NAMES = /** @type {const} */ (["A", "B"]);
/** @type {Record<string, Vote>} */
const KEYS = { a: "A", 1: "A", b: "B", 2: "B", t: "tie", 0: "tie" };

/** The orders of rows, by what a row is sorted by; the lowest comes first. */
/** @type {Record<string, {text: string, by: (row: Row) => number}>} */
const ORDERS = {
  album: { text: "As they came", by: () => 0 },
  worstA: { text: "A's worst first", by: ({ results: [a] }) => a?.cider ?? 99 },
  worstB: { text: "B's worst first", by: ({ results: [, b] }) => b?.cider ?? 99 },
  apart: { text: "Furthest apart first", by: ({ results: [a, b] }) => -Math.abs((a?.cider ?? 0) - (b?.cider ?? 0)) },
};

/** The files that it takes while it is open. */
const REFERENCES = { accept: ".csv,.tsv,.json,.jsonl,.ndjson", names: /\.(csv|tsv|json|jsonl|ndjson)$/i, none: "There is no list in that folder." };

/** Makes the view, which is filled when it is opened. */
export function comparison(/** @type {{leave: () => void}} */ { leave }) {
  const sides = NAMES.map((name) => ({ name, decoding: new Decoding() }));
  /** @type {Map<Picture, Row>} */
  const rows = new Map();
  /** @type {Map<string, Vote>} */
  const votes = new Map();
  /** @type {import("./references.js").References} */
  let references = new Map();
  let recalled = false; // what was kept of another visit; before that, nothing may be kept over it
  let round = 0; // of captioning: an older one stops
  let here = /** @type {Row | null} */ (null);

  const list = element("ul", { class: "pairs", "aria-label": "Pairs of captions", onkeydown: (/** @type {KeyboardEvent} */ event) => key(event) });
  const tally = element("p", { class: "tally", role: "status" });
  const scores = element("p", { class: "hint" });
  const go = button("Caption both ways", "play", run, "primary");
  const order = choice({ label: "Order", options: Object.entries(ORDERS).map(([value, { text }]) => [value, text]), onchange: () => arrange() });
  const refer = button("References", "add", () => choose({ ...REFERENCES, take }), "small");
  const take_along = button("Votes as CSV", "save", () => save(table(), "votes.csv", "text/csv"), "small");
  const panels = sides.map(({ name, decoding: side }) => settings(name, side));
  const node = element(
    "div",
    { class: "compare", role: "group", "aria-label": "Compare", hidden: true },
    element("div", { class: "bar-top" }, element("h1", {}, "Compare"), tally, element("div", { class: "actions" }, go, take_along, refer, button("To the sheet", "sheet", leave, "small"))),
    element("div", { class: "sides" }, ...panels),
    element("div", { class: "compare-told" }, element("p", { class: "hint" }, "Keys: ", kbd("A"), " ", kbd("B"), " ", kbd("T"), " vote for one, or a tie, and go on; ", kbd("↑"), " ", kbd("↓"), " go from pair to pair. References, dropped here as CSV, JSON lines or Karpathy's JSON, give each caption its CIDEr and BLEU-4."), scores, order.node),
    list,
  );
  order.node.hidden = true;

  for (const { decoding: side } of sides) side.on("changed", keep);
  models.on("loaded", () => recall());
  album.on("added", () => !node.hidden && fill());
  album.on("removed", (picture) => {
    rows.get(picture)?.node.remove();
    rows.delete(picture);
    count();
  });

  /** The controls of a side. */
  function settings(/** @type {string} */ name, /** @type {Decoding} */ side) {
    const change = (/** @type {Record<string, unknown>} */ values) => side.set(values);
    const model = modelChoice((card) => side.use(card));
    const method = segments({
      label: `Method of ${name}`,
      options: [
        ["greedy", "Greedy"],
        ["beam", "Beam"],
        ["sample", "Sampling"],
      ],
      onchange: (value) => change({ method: value }),
    });
    const { num_captions, ...used } = SLIDERS;
    const sliders = Object.entries(used).map(([field, options]) => /** @type {const} */ ([field, slider({ ...options, hint: "", onchange: (value) => change({ [field]: value }) })]));
    const draw = () => {
      model.offer(side.captioners);
      model.node.hidden = side.captioners.length < 2;
      if (!side.card) return;
      model.value = side.card.id;
      method.value = side.values.method;
      for (const [field, control] of sliders) {
        control.node.hidden = !(SLIDERS[field].methods ?? []).includes(side.values.method);
        control.value = side.values[field];
      }
    };
    side.on("changed", draw);
    draw();
    return element("section", { class: "panel side", "aria-label": `Settings of ${name}` }, element("h2", {}, name), element("div", { class: "controls" }, model.node, method.node, ...sliders.map(([, control]) => control.node)));
  }

  function parameters(/** @type {Decoding} */ side) {
    const asked = side.parameters;
    asked.delete("num_captions");
    return asked;
  }

  /** Captions all pictures both ways. */
  async function run() {
    const mine = ++round;
    const queue = [...rows.values()].flatMap((row) => sides.map((_, place) => ({ row, place })));
    for (const row of rows.values()) row.results = [];
    for (const row of rows.values()) draw(row);
    let done = 0;
    const total = queue.length;
    const work = async () => {
      for (let job = queue.shift(); job && mine === round; job = queue.shift()) {
        const { row, place } = job;
        const result = await caption(row.picture, parameters(sides[place].decoding));
        if (mine !== round) return;
        row.results[place] = score(row.picture, result);
        done += 1;
        if (done < total) tally.textContent = `${done} of ${total}`;
        draw(row);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (mine !== round) return;
    arrange();
    count();
    if (here) here.node.focus();
  }

  /** Scores a caption, if there are references for its picture. */
  function score(/** @type {Picture} */ picture, /** @type {Result} */ result) {
    const own = sentences(picture);
    if (!own || result.error) return { text: result.text, error: result.error };
    const said = tokens(result.text);
    return { ...result, cider: cider?.score(said, own), bleu: bleu(said, own)[3] };
  }

  /** @type {Cider | null} */
  let cider = null;
  /** @type {Map<string, string[]>} */
  let tokenized = new Map();

  /** A picture's references as tokens: by its whole name, or by the end of its path. */
  function sentences(/** @type {Picture} */ { name }) {
    return tokenized.get(name) ?? tokenized.get(name.split("/").at(-1) ?? "");
  }

  /** Reads references, and scores what there is. */
  async function take(/** @type {import("../../shell/view.js").NamedFile[]} */ files) {
    clearNotice();
    for (const { file, name } of files) {
      const found = readReferences(await file.text());
      if (found.size) references = new Map([...references, ...found]);
      else notice(`${name} has no references: a list wants “file” and “caption” in its first line, JSON lines want these on each, and Karpathy's JSON has “images” with “sentences”.`);
    }
    tokenized = new Map(Array.from(references, ([name, all]) => [name.split("/").at(-1) ?? name, all.map(tokens)]));
    cider = tokenized.size ? new Cider(tokenized.values()) : null;
    for (const row of rows.values()) {
      row.results = /** @type {Row["results"]} */ (row.results.map((result) => result && score(row.picture, result)));
      draw(row);
    }
    const known = [...rows.keys()].filter((picture) => sentences(picture)).length;
    scores.textContent = tokenized.size ? `References of ${tokenized.size} pictures, ${known} of them here.` : "";
    order.node.hidden = known === 0;
    announce(scores.textContent);
    arrange();
    count();
  }

  function voteKey(/** @type {Row} */ { picture, results: [a, b] }) {
    return JSON.stringify([picture.id, a?.text ?? "", b?.text ?? ""]);
  }

  function vote(/** @type {Row} */ row, /** @type {Vote} */ value) {
    if (!row.results[0] || !row.results[1]) return;
    const place = voteKey(row);
    if (votes.get(place) === value) votes.delete(place);
    else votes.set(place, value);
    keep();
    draw(row);
    count();
  }

  function draw(/** @type {Row} */ row) {
    const { picture, node: item, results } = row;
    const cast = votes.get(voteKey(row));
    const ready = Boolean(results[0] && results[1]);
    const columns = results.length || sides.length;
    const told = Array.from({ length: Math.max(columns, 2) }, (_, place) => {
      const result = results[place];
      const other = results[1 - place];
      const text = result ? (result.error ?? (other && !other.error ? marked(sentence(result.text), sentence(other.text)) : [sentence(result.text)])) : ["…"];
      return element(
        "div",
        { class: "said-by" },
        element("p", { class: "by" }, NAMES[place], result?.cider !== undefined && element("span", { class: "share" }, ` CIDEr ${result.cider.toFixed(2)}, BLEU-4 ${result.bleu?.toFixed(2)}`)),
        element("p", { class: result?.error ? "wrong" : "of-two", lang: "en" }, ...(Array.isArray(text) ? text : [text])),
      );
    });
    const buttons = /** @type {Vote[]} */ (["A", "B", "tie"]).map((value) => element("button", { type: "button", class: "small", tabindex: -1, disabled: !ready, "aria-pressed": String(cast === value), onclick: () => vote(row, value) }, value === "tie" ? "Tie" : value));
    item.dataset.same = String(ready && results[0]?.text === results[1]?.text);
    item.replaceChildren(picture.thumbnail ? element("img", { src: picture.thumbnail, alt: "", loading: "lazy" }) : element("span", { class: "no-thumb" }, "?"), element("div", { class: "two" }, element("p", { class: "name" }, picture.name), ...told), element("div", { class: "ballot", role: "group", "aria-label": `Vote on ${picture.name}` }, ...buttons));
  }

  function count() {
    const all = [...rows.values()];
    const ready = all.filter(({ results: [a, b] }) => a && b);
    const cast = (/** @type {Vote} */ value) => ready.filter((row) => votes.get(voteKey(row)) === value).length;
    const differing = ready.filter(({ results: [a, b] }) => a?.text !== b?.text).length;
    const [a, b, tie] = [cast("A"), cast("B"), cast("tie")];
    tally.textContent = ready.length ? `A ${a}, B ${b}, tie ${tie} of ${ready.length}; ${differing} differ` : `${all.length} ${all.length === 1 ? "picture" : "pictures"}`;
    take_along.disabled = !ready.length;
    go.disabled = !all.length;
    const mean = (/** @type {number} */ place) => {
      const scored = ready.flatMap(({ results }) => results[place]?.cider ?? []);
      return scored.length ? (scored.reduce((sum, value) => sum + value, 0) / scored.length).toFixed(3) : null;
    };
    if (tokenized.size && mean(0)) scores.textContent = `References of ${tokenized.size} pictures. Mean CIDEr: A ${mean(0)}, B ${mean(1)}.`;
  }

  /** Puts the rows in order. */
  function arrange() {
    const { by } = ORDERS[order.value];
    const sorted = album.pictures.flatMap((picture) => rows.get(picture) ?? []).sort((one, other) => by(one) - by(other));
    list.replaceChildren(...sorted.map((row) => row.node));
    if (sorted.length && (!here || !rows.has(here.picture))) stop(sorted[0]);
  }

  function stop(/** @type {Row} */ row) {
    if (here) here.node.tabIndex = -1;
    here = row;
    row.node.tabIndex = 0;
  }

  function key(/** @type {KeyboardEvent} */ event) {
    const items = [...list.children];
    const place = items.findIndex((item) => item.contains(document.activeElement));
    const row = [...rows.values()].find((one) => one.node === items[place]);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const cast = KEYS[event.key.toLowerCase()];
    const by = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key] ?? (cast ? 1 : 0);
    if (!by) return;
    event.preventDefault();
    if (cast) {
      vote(row, cast);
      announce(`${cast}. ${tally.textContent}`);
    }
    const next = [...rows.values()].find((one) => one.node === items[place + by]);
    if (next) stop(next);
    next?.node.focus();
  }

  function fill() {
    for (const picture of album.pictures) {
      if (rows.has(picture)) continue;
      /** @type {Row} */
      const row = { picture, node: element("li", { class: "pair", tabindex: -1, "aria-label": picture.name }), results: [] };
      row.node.addEventListener("focusin", () => stop(row));
      rows.set(picture, row);
      draw(row);
    }
    arrange();
    count();
  }

  function table() {
    const shown = [...list.children].flatMap((item) => [...rows.values()].find((row) => row.node === item) ?? []);
    const of = (/** @type {number | undefined} */ value) => value?.toFixed(4) ?? "";
    const asked = sides.map(({ decoding: side }) => `${side.card?.id} ${parameters(side)}`.trim());
    const head = ["file", "a", "b", "vote", "cider_a", "cider_b", "bleu4_a", "bleu4_b", "a_settings", "b_settings"];
    return asCsv([head, ...shown.map((row) => [row.picture.name, row.results[0]?.text ?? "", row.results[1]?.text ?? "", votes.get(voteKey(row)) ?? "", of(row.results[0]?.cider), of(row.results[1]?.cider), of(row.results[0]?.bleu), of(row.results[1]?.bleu), ...asked])]);
  }

  /** Keeps settings and votes for another visit. */
  function keep() {
    if (recalled && sides.every(({ decoding: side }) => side.card)) store.note("compare", { sides: sides.map(({ decoding: side }) => ({ model: side.card?.id, values: side.values })), votes: [...votes] });
  }

  async function recall() {
    await store.ready;
    const kept = store.notes.compare;
    for (const [pair, value] of kept?.votes ?? []) votes.set(pair, value);
    for (const [place, { decoding: side }] of sides.entries()) if (kept?.sides[place]) side.recall(kept.sides[place]);
    if (!kept) begin();
    recalled = true;
  }

  /** Begins with what there is to compare: as captions are asked for now, and greedy beside it, or the defaults if that is greedy. */
  function begin() {
    for (const { decoding: side } of sides) {
      side.use(decoding.card);
      side.set(decoding.values);
    }
    sides[1].decoding.set({ method: decoding.values.method === "greedy" ? "beam" : "greedy" });
  }

  return {
    node,
    files: { ...REFERENCES, take },
    open() {
      node.hidden = false;
      fill();
      find("h1", node).tabIndex = -1;
      find("h1", node).focus();
      if (models.all.length && !sides[0].decoding.card) recall();
    },
    close() {
      node.hidden = true;
    },
  };
}

function kbd(/** @type {string} */ text) {
  return element("kbd", {}, text);
}

/** The best caption of a picture with these parameters; a busy server is asked again. */
/** @returns {Promise<Result>} */
async function caption(/** @type {Picture} */ { file }, /** @type {URLSearchParams} */ parameters) {
  const body = new FormData();
  body.append("image", file, "picture");
  for (let tries = 0; ; tries++) {
    try {
      const { captions } = await ask(`v1/captions?${parameters}`, { body });
      return { text: captions[0]?.original ?? captions[0]?.text ?? "" };
    } catch (reason) {
      const error = /** @type {import("../../shell/failure.js").Failure} */ (reason);
      if (![429, 503].includes(error.status) || tries === TRIES) return { text: "", error: error.sentence };
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter ?? 1)));
    }
  }
}
