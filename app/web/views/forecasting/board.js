/** The board: a table of prices, a day to forecast from, the fan of intervals, and what came, day by day. */

import { ask, isAbort, json } from "../../shell/api.js";
import { button, element } from "../../shell/element.js";
import { Failure } from "../../shell/failure.js";
import { choose } from "../../shell/intake.js";
import { models, preferred } from "../../shell/models.js";
import { percent } from "../../shell/percent.js";
import { save } from "../../shell/saving.js";
import { attempt } from "../../shell/trouble.js";
import { asCsv } from "../captioning/csv.js";
import forecasting from "../forecasting.js";
import { figure } from "../inside/figure.js";
import { fan } from "./fan.js";
import { madeUp, parse } from "./prices.js";
import { rivalPanel } from "./rivals.js";

const HORIZON = 20;
const LEVELS = [80, 95];
/** Days that the chart shows of the past, and days that a forecast depends on. */
const SHOWN = 90;
const READ = 1300;
const FEWEST = 60;

class Board {
  /** @type {import("./prices.js").Day[]} */
  #days = [];
  /** @type {{steps: import("./fan.js").Step[], warnings: string[], baselines: {har: number[]}} | null} */
  #forecast = null;
  #revealed = 0;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {(() => Promise<void>) | null} */
  #run = null;

  #title = element("h2");
  #chart = element("figure");
  #day = element("output", { for: "forecast-today" });
  #today = element("input", { type: "range", id: "forecast-today", oninput: () => this.#move() });
  #next = button("Reveal a day", "next", () => this.#reveal(1));
  #all = element("button", { type: "button", onclick: () => this.#reveal(HORIZON) }, "Reveal all");
  #told = element("div", { role: "status", class: "told" });
  #notes = element("ul", { class: "hint" });
  #answer = element("div", { class: "answer", hidden: true });
  #wait = element("p", { class: "hint", role: "status" });
  #rivals = rivalPanel();
  #figure = figure({
    title: "How far, and what came",
    says: "The fan says where the close may be, with 80 and with 95 %, and knows nothing after today. Move today, and reveal the days that came: of many, so many should be inside.",
    code: { file: "model/tasks/forecasting/forecaster.py", line: "reach = {level: quantile(0.5 + level / 200, freedom) * scale for level in levels}" },
    table: () => {
      const [head, ...rows] = this.#rows();
      return { head, rows };
    },
    body: [
      this.#chart,
      element("p", { class: "today" }, element("label", { for: "forecast-today" }, "Today"), this.#today, this.#day),
      element("p", { class: "actions" }, this.#next, this.#all, button("Save as CSV", "save", () => save(asCsv(this.#rows()), "forecast.csv", "text/csv"))),
      this.#told,
      this.#notes,
    ],
  });

  mount(/** @type {HTMLElement} */ section) {
    const { failed, run } = attempt(async () => {
      this.#wait.textContent = this.#answer.hidden ? "One moment …" : "";
      await this.#ask().finally(() => this.#wait.replaceChildren());
    });
    this.#run = run;
    this.#answer.append(this.#title, this.#figure.node);
    section.append(
      element(
        "div",
        { class: "forecast inside" },
        element("h1", {}, "How far may a price move?"),
        element("p", { class: "hint" }, "Nobody beats “tomorrow is as today” by much, and this model does not either. What it does forecast is how far the price may be from there, and how restless it will be."),
        element(
          "p",
          { class: "actions" },
          button("Open a CSV file", "M12 16V4m-5 5 5-5 5 5M5 20h14", () => choose(/** @type {import("../../shell/view.js").Files} */ (forecasting.files)), "primary"),
          element("button", { type: "button", onclick: () => this.#show(madeUp(), "A made-up series") }, "Try a made-up series"),
        ),
        failed,
        this.#wait,
        this.#answer,
        this.#rivals.node,
      ),
    );
    if (!this.#days.length) return this.#show(madeUp(), "A made-up series");
  }

  /** Takes a table that came in. */
  async take(/** @type {import("../../shell/view.js").NamedFile} */ { file, name }) {
    let days;
    try {
      days = parse(await file.text());
      if (days.length < FEWEST) throw new Error(`there are ${days.length} days with a close, and ${FEWEST} are needed`);
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      this.#answer.hidden = false;
      this.#told.replaceChildren(element("p", { class: "trouble" }, `${name} can't be read: ${message}. A table with a date and a close is needed.`));
      return;
    }
    await this.#show(days, name);
  }

  async #show(/** @type {import("./prices.js").Day[]} */ days, /** @type {string} */ name) {
    this.#days = days;
    this.#title.textContent = name;
    Object.assign(this.#today, { min: String(FEWEST - 1), max: String(days.length - 1) });
    this.#today.value = String(Math.max(FEWEST - 1, days.length - 1 - HORIZON));
    await this.#move();
  }

  async #move() {
    this.#revealed = 0;
    const day = this.#days[this.#today.valueAsNumber];
    this.#day.textContent = day.date ?? `day ${this.#today.valueAsNumber + 1}`;
    await this.#run?.();
  }

  async #ask() {
    if (!this.#days.length) return;
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const known = this.#days.slice(0, this.#today.valueAsNumber + 1).slice(-READ);
    try {
      await models.load();
      const card = preferred(models.of(forecasting.task));
      if (!card) throw new Failure({ code: "unknown_model", message: "this server has no forecaster" });
      this.#rivals.show(card);
      const body = json({ series: known, horizon: HORIZON, levels: LEVELS, model: card.id });
      this.#forecast = await ask("v1/forecasts", { ...body, signal: asking.signal });
    } catch (error) {
      if (isAbort(error)) return;
      throw error;
    }
    this.#answer.hidden = false;
    this.#draw();
  }

  #reveal(/** @type {number} */ days) {
    this.#revealed = Math.min(HORIZON, this.#revealed + days);
    this.#draw();
  }

  #draw() {
    if (!this.#forecast) return;
    const { steps, warnings, baselines } = this.#forecast;
    const place = this.#today.valueAsNumber;
    const ahead = this.#days.slice(place + 1, place + 1 + HORIZON);
    const came = ahead.slice(0, this.#revealed);
    this.#next.disabled = this.#all.disabled = came.length === ahead.length;
    this.#chart.replaceChildren(fan(this.#days.slice(Math.max(0, place + 1 - SHOWN), place + 1), steps, came));
    const [first, final] = [steps[0], steps[steps.length - 1]];
    const inside = LEVELS.map((level) => {
      const kept = came.filter((day, step) => day.close >= steps[step].close.intervals[level][0] && day.close <= steps[step].close.intervals[level][1]);
      return `${kept.length} of ${came.length} days inside the ${level} % interval`;
    });
    const span = (/** @type {import("./fan.js").Step} */ step) => step.close.intervals[String(LEVELS[0])].map((end) => end.toLocaleString("en", { maximumFractionDigits: 2 })).join(" to ");
    this.#told.replaceChildren(
      element("p", {}, `Tomorrow, with ${LEVELS[0]} %: ${span(first)}; in ${HORIZON} days: ${span(final)}.`),
      element("p", {}, `Volatility, as of a year: ${percent(first.volatility)} tomorrow, ${percent(final.volatility)} over ${HORIZON} days; by the linear model alone ${percent(baselines.har[0])} and ${percent(baselines.har[HORIZON - 1])}.`),
      came.length ? element("p", {}, `What came: ${inside.join(", ")}.`) : "",
    );
    this.#notes.replaceChildren(...warnings.map((warning) => element("li", {}, warning)));
    this.#figure.update();
  }

  /** The forecast as rows, with what has been revealed; the first row is the head. */
  #rows() {
    const place = this.#today.valueAsNumber;
    const ends = LEVELS.flatMap((level) => [`least, ${level} %`, `greatest, ${level} %`]);
    const rows = (this.#forecast?.steps ?? []).map(({ step, date, close, volatility }) => {
      const came = step <= this.#revealed ? this.#days[place + step]?.close : undefined;
      return [String(step), date ?? "", ...LEVELS.flatMap((level) => close.intervals[level].map((end) => end.toFixed(2))), percent(volatility), came === undefined ? "" : String(came)];
    });
    return [["step", "date", ...ends, "volatility", "came"], ...rows];
  }
}

export const board = new Board();
