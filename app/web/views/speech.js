/** Speech: a text said by one of some voices, to play, to keep, and to see how long each word takes. */

import { ask, json, stream } from "../shell/api.js";
import { choice, slider } from "../shell/controls.js";
import { button, element } from "../shell/element.js";
import { modelChoice, models, preferred } from "../shell/models.js";
import { attempt } from "../shell/trouble.js";
import { SEQUENCES } from "./groups.js";

const TASK = "text-to-speech";

/** @typedef {{word: string, start: number, end: number}} Word */
/** @typedef {{id: string, name: string, description: string}} Voice */

/** @type {import("../shell/view.js").View} */
export default {
  title: "Speak",
  hash: "speak",
  icon: "M4 9v6h4l5 4V5L8 9zM16 9a4 4 0 0 1 0 6M18.500 6.500a8 8 0 0 1 0 11",
  says: "Text into speech",
  group: SEQUENCES,
  task: TASK,

  mount({ section }) {
    /** @type {import("../shell/models.js").Card | null} */
    let model = null;
    let played = ""; // the address of what the page can play
    let asked = 0; // counts the texts, since an answer may come after that to a later one
    const text = element("textarea", { id: "speech-text", rows: 3, maxlength: 4096 });
    text.value = "Please enter your password, followed by the pound key.";
    const said = element("div", { id: "speech-said", role: "status" });
    const chosen = modelChoice((card) => {
      model = card;
      offer();
    });
    const voice = choice({ label: "Voice", options: [], onchange: () => {} });
    const speed = slider({ label: "Speed", min: 0.25, max: 4, step: 0.05 });
    speed.value = 1;

    /** Offers the voices of the model. */
    async function offer() {
      const of = model;
      const { voices } = await ask(`v1/audio/voices?model=${encodeURIComponent(of?.id ?? "")}`);
      if (of !== model) return; // another one has been chosen meanwhile
      voice.input.replaceChildren(
        ...voices.map((/** @type {Voice} */ { id, name, description }) => element("option", { value: id }, description ? `${name}: ${description}` : name)),
      );
    }

    async function load() {
      await models.load();
      const cards = models.of(TASK);
      chosen.offer(cards);
      chosen.node.hidden = cards.length < 2;
      if (!model) {
        model = preferred(cards);
        if (model) chosen.value = model.id;
      }
      if (model && !voice.input.options.length) await offer();
    }

    const { failed, run } = attempt(async () => {
      const number = ++asked;
      said.replaceChildren(element("p", { class: "hint" }, "One moment …"));
      try {
        await load();
        const parts = [];
        let done = null;
        const request = { input: text.value, model: model?.id, voice: voice.value || null, speed: speed.value, response_format: "wav", stream_format: "sse" };
        for await (const { data } of stream("v1/audio/speech", json(request))) {
          if (data.type === "speech.audio.delta") parts.push(bytes(data.audio));
          else done = data;
        }
        if (number !== asked) return;
        URL.revokeObjectURL(played);
        played = URL.createObjectURL(new Blob(parts, { type: "audio/wav" }));
        said.replaceChildren(...shown(done, played));
      } catch (error) {
        if (number !== asked) return;
        said.replaceChildren();
        throw error;
      }
    });
    load().catch(() => {}); // told when the button is pressed
    section.append(
      element(
        "div",
        { class: "speech" },
        element("h1", {}, "How does it sound?"),
        element("label", { for: "speech-text", class: "hidden" }, "Text"),
        text,
        element("div", { class: "settings" }, voice.node, speed.node, chosen.node),
        element("p", { class: "actions" }, button("Speak", "M4 9v6h4l5 4V5L8 9z", run, "primary")),
        failed,
        said,
      ),
    );
  },

  about: ({ cell, encoder_size, decoder_layers, decoder_size }) => ({
    facts: [
      ["Encoder", `${encoder_size} ${cell}, in both directions`],
      ["Decoder", `${decoder_layers} × ${decoder_size} ${cell}`],
    ],
    sample: [],
  }),
};

/**
 * The parts of an answer: the sound, a file to keep, and the words, each as wide as it is long.
 *
 * @param {{words: Word[], unheard: string[]}} done
 * @param {string} played The address of the sound.
 */
function shown({ words, unheard }, played) {
  const seconds = words[words.length - 1].end;
  return [
    element("p", { class: "actions" }, element("audio", { controls: true, autoplay: true, src: played }), element("a", { class: "button", href: played, download: "speech.wav" }, "Download")),
    element(
      "ol",
      { class: "durations", "aria-label": "Word by word" },
      ...words.map(({ word, start, end }) => {
        const row = element("li", { class: unheard.includes(word) ? "unheard" : null }, word, element("small", {}, `${start.toFixed(2)} s`));
        row.style.flexGrow = String((1000 * (end - start)) / seconds);
        return row;
      }),
    ),
    unheard.length ? element("p", { class: "hint" }, `Never heard in training, and may sound wrong: ${unheard.join(", ")}.`) : "",
  ];
}

/** The bytes of a text in base64. */
function bytes(/** @type {string} */ base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
