/** The reference of the API: what /openapi.json says, as a page. */

import { ask, hasKey, setKey } from "../shell/api.js";
import { element, find } from "../shell/element.js";
import { notice } from "../shell/messages.js";
import { markdown } from "../views/inside/markdown.js";
import { described, fields } from "./schema.js";
import { trying } from "./trying.js";

/**
 * What a path and a method do, as OpenAPI has it.
 *
 * @typedef {{tags?: string[], summary: string, description?: string, parameters?: import("./schema.js").Parameter[],
 *   requestBody?: {content: Record<string, {schema: import("./schema.js").Schema, example?: unknown}>},
 *   responses: Record<string, {description: string, content?: Record<string, {schema?: import("./schema.js").Schema}>}>}} Operation
 */

const contents = find(".contents");
const place = find("#operations");

/** The section of an operation. */
function section(/** @type {string} */ method, /** @type {string} */ path, /** @type {Operation} */ operation) {
  const { description, summary, parameters = [], requestBody, responses } = operation;
  const bodies = Object.entries(requestBody?.content ?? {});
  const answers = Object.entries(responses);
  return element(
    "section",
    { class: "operation panel", id: anchor(method, path), "aria-label": `${method} ${path}` },
    element("h2", {}, element("span", { class: "method" }, method), path),
    element("div", { class: "prose" }, ...markdown(description || summary, 3)),
    parameters.length > 0 && folded(`${parameters.length} ${parameters.length === 1 ? "parameter" : "parameters"}`, [described(parameters)]),
    ...bodies.map(([type, { schema }]) => folded(`Body: ${type}`, fields(schema))),
    ...answers.filter(([status]) => status < "300").map(([status, answer]) => folded(`Answer: ${status}`, Object.values(answer.content ?? {}).flatMap(({ schema }) => (schema ? fields(schema) : [])))),
    folded("Refusals", [element("ul", { class: "fields" }, ...answers.filter(([status]) => status >= "300").map(([status, answer]) => element("li", {}, element("code", {}, status), element("span", {}, answer.description))))]),
    folded("Try it", [trying(method, path, operation)]),
  );
}

function folded(/** @type {string} */ title, /** @type {HTMLElement[]} */ inside) {
  const whole = inside.length ? inside : [element("p", { class: "hint" }, "Nothing that has a form.")];
  return element("details", {}, element("summary", {}, title), ...whole);
}

function anchor(/** @type {string} */ method, /** @type {string} */ path) {
  return `${method.toLowerCase()}${path.replace(/\W+/g, "-")}`;
}

/** The field for a key, which goes with what is tried. */
function keyField() {
  const field = element("input", { id: "api-key", type: "password", autocomplete: "current-password", placeholder: hasKey() ? "a key is set" : "none" });
  field.addEventListener("change", () => setKey(field.value.trim()));
  return element("p", { class: "key" }, element("label", { for: "api-key" }, "API key"), field, element("span", { class: "hint" }, "Where the server wants one. Kept until this tab is closed."));
}

async function show() {
  const { paths, components } = await ask("openapi.json");
  fields.known = components.schemas;
  /** @type {Map<string, HTMLElement[]>} */
  const groups = new Map();
  place.append(keyField());
  for (const [path, methods] of Object.entries(paths)) {
    for (const [lower, operation] of Object.entries(methods)) {
      const method = lower.toUpperCase();
      const group = operation.tags?.[0] ?? "other";
      groups.set(group, [...(groups.get(group) ?? []), element("a", { href: `#${anchor(method, path)}` }, `${method} ${path}`)]);
      place.append(section(method, path, operation));
    }
  }
  contents.append(...[...groups].flatMap(([group, links]) => [element("h2", {}, group), ...links]));
  if (location.hash.length > 1) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  document.documentElement.dataset.ready = ""; // for tests
}

show().catch((error) => notice(`${error.sentence ?? error} ${error.advice ?? ""}`));
