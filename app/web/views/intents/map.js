/** All intents, shaded by how probable each is, to be walked through with the arrow keys. */

import { line } from "../../shell/controls.js";
import { element } from "../../shell/element.js";
import { figure } from "../inside/figure.js";

/** @typedef {import("./page.js").Ranked} Ranked */

/** The figure: `show` shades the intents by a ranking of all of them. */
export function everyIntent() {
  /** @type {Ranked[]} */
  let all = []; // in the order of their titles
  let active = 0;
  const list = element("ul", { class: "intent-map", role: "listbox", tabindex: 0, "aria-label": "All intents" });
  const told = element("p", { role: "status" });
  const filter = line({ label: "Find an intent", placeholder: "card", onchange: () => draw() });
  const made = figure({
    title: "All that it knows",
    says: "Each intent is shaded by its probability for the sentence above, on a scale that shows small ones too. Walk through them with the arrow keys.",
    code: { file: "model/tasks/intents/classifier.py", line: "probabilities = (self.logits(sentences) / self.config.temperature).softmax(-1)  # (N, V)" },
    table: () => ({ head: ["intent", "title", "probability"], rows: all.map(({ intent, title, confidence }) => [intent, title, percent2(confidence)]) }),
    body: [element("div", { class: "controls" }, filter.node), list, told],
  });

  function shown() {
    const wanted = filter.value.trim().toLowerCase();
    return all.filter(({ intent, title }) => `${intent} ${title}`.toLowerCase().includes(wanted));
  }

  function draw() {
    const found = shown();
    active = Math.min(active, Math.max(0, found.length - 1));
    list.replaceChildren(
      ...found.map(({ intent, title, confidence }, place) => {
        const made = element("li", { role: "option", id: `option-${intent}`, "aria-selected": String(place === active), onclick: () => go(place) }, title);
        made.style.setProperty("--share", `${Math.round(45 * Math.max(0, 1 + Math.log10(Math.max(1e-4, confidence)) / 4))}%`);
        return made;
      }),
    );
    tell(found);
  }

  function tell(/** @type {Ranked[]} */ found) {
    const chosen = found[active];
    if (chosen) list.setAttribute("aria-activedescendant", `option-${chosen.intent}`);
    else list.removeAttribute("aria-activedescendant");
    told.textContent = chosen ? `${active + 1} of ${found.length}: ${chosen.title} (${chosen.intent}), ${percent2(chosen.confidence)} here.` : "No intent has these letters.";
  }

  function go(/** @type {number} */ place) {
    const found = shown();
    if (!found[place]) return;
    list.children[active]?.setAttribute("aria-selected", "false");
    active = place;
    list.children[active].setAttribute("aria-selected", "true");
    list.children[active].scrollIntoView({ block: "nearest" });
    tell(found);
  }

  list.addEventListener("keydown", (event) => {
    const last = list.childElementCount - 1;
    const to = { ArrowRight: active + 1, ArrowDown: active + 1, ArrowLeft: active - 1, ArrowUp: active - 1, Home: 0, End: last, PageDown: Math.min(last, active + 10), PageUp: Math.max(0, active - 10) }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });

  return {
    node: made.node,
    show(/** @type {Ranked[]} */ ranking) {
      const walks = document.activeElement === list; // whoever walks stays where they are
      const chosen = walks ? shown()[active]?.intent : ranking[0].intent;
      all = [...ranking].sort((one, other) => one.title.localeCompare(other.title));
      active = Math.max(0, shown().findIndex(({ intent }) => intent === chosen));
      draw();
      made.update();
    },
  };
}

function percent2(/** @type {number} */ share) {
  return share < 0.0001 ? "< 0.01 %" : `${(100 * share).toFixed(2)} %`;
}
