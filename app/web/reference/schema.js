/** A JSON schema as a list of fields, each with its type, its range and what it is. */

import { element } from "../shell/element.js";
import { markdown } from "../views/inside/markdown.js";

/** @typedef {any} Schema */
/** @typedef {{name: string, in: string, required?: boolean, description?: string, schema: Schema}} Parameter */

const DEEPEST = 3;

/** The schema that a reference names; of alternatives, the one that is not null. */
/** @returns {Schema} */
export function resolved(/** @type {Schema} */ schema) {
  if (schema?.$ref) return resolved(fields.known[schema.$ref.split("/").at(-1)]);
  const others = schema?.anyOf?.filter((/** @type {Schema} */ one) => one.type !== "null");
  return others?.length === 1 ? { ...resolved(others[0]), description: schema.description, default: schema.default } : schema;
}

/** A type in words: "integer, 1 to 10", "array of Caption". */
/** @returns {string} */
function type(/** @type {Schema} */ schema) {
  if (!schema) return "";
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return [...new Set(schema.anyOf.map((/** @type {Schema} */ one) => type(resolved(one))))].join(" or ");
  if (schema.type === "array") return `array of ${type(resolved(schema.items)) || "anything"}`;
  const [low, high] = [schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum];
  const range = low !== undefined && high !== undefined ? `, ${schema.exclusiveMinimum === undefined ? "" : "above "}${low} to ${high}` : low !== undefined ? `, from ${low}` : high !== undefined ? `, up to ${high}` : "";
  const name = schema.format === "binary" || schema.contentMediaType ? "file" : schema.type === "object" ? (schema.title ?? "object") : (schema.type ?? "anything");
  return `${name}${range}`;
}

/** @returns {HTMLElement} */
function field(/** @type {string} */ name, /** @type {Schema} */ schema, /** @type {boolean} */ required, /** @type {number} */ depth) {
  const whole = resolved(schema);
  const inner = whole?.type === "array" ? resolved(whole.items) : whole;
  const parts = depth < DEEPEST && inner?.properties ? fields(inner, depth + 1) : [];
  const fallback = whole?.default === undefined || whole.default === null ? "" : `, ${JSON.stringify(whole.default)} unless given`;
  return element(
    "li",
    {},
    element("div", {}, element("code", {}, name), element("p", { class: "type" }, `${type(whole)}${required ? ", required" : fallback}`)),
    element("div", {}, ...markdown(schema.description ?? whole?.description ?? "", 4)),
    ...parts,
  );
}

/** The fields of an object; for anything else, its type. */
/** @returns {HTMLElement[]} */
export function fields(/** @type {Schema} */ schema, depth = 0) {
  const whole = resolved(schema);
  if (!whole?.properties) return [element("p", { class: "type" }, type(whole))];
  return [element("ul", { class: "fields" }, ...Object.entries(whole.properties).map(([name, part]) => field(name, part, whole.required?.includes(name) ?? false, depth)))];
}

/** Schemas by their names, which references look up. */
/** @type {Record<string, Schema>} */
fields.known = {};

/** Parameters as such a list. */
export function described(/** @type {Parameter[]} */ parameters) {
  return element("ul", { class: "fields" }, ...parameters.map(({ name, schema, required = false, description }) => field(name, { ...schema, description }, required, 0)));
}

/** A value of a schema with all that is required, to begin with. */
export function example(/** @type {Schema} */ schema) {
  const whole = resolved(schema) ?? {};
  const given = whole.example ?? whole.examples?.[0] ?? whole.default;
  if (given !== undefined && given !== null) return given;
  if (whole.properties) return Object.fromEntries((whole.required ?? []).map((/** @type {string} */ name) => [name, example(whole.properties[name])]));
  if (whole.anyOf) return example(whole.anyOf[0]);
  return whole.enum?.[0] ?? { array: [], integer: whole.minimum ?? 0, number: whole.minimum ?? 0, boolean: false, string: "" }[/** @type {string} */ (whole.type)] ?? null;
}
