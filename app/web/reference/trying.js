/** The form that tries an operation, with the pictures at hand, and the programs that do the same. */

import { address, hasKey, request } from "../shell/api.js";
import { segments } from "../shell/controls.js";
import { button, element } from "../shell/element.js";
import { models } from "../shell/models.js";
import { peek } from "../shell/store.js";
import { programs } from "./code.js";
import { example, resolved } from "./schema.js";

const EXAMPLE = "web/views/captioning/example.jpg";
const MOST = 20_000; // characters of an answer that are shown

/** @typedef {import("./schema.js").Parameter} Parameter */

/** Makes the form; it is filled when it is first seen. */
export function trying(/** @type {string} */ method, /** @type {string} */ path, /** @type {import("./reference.js").Operation} */ { parameters = [], requestBody }) {
  const content = requestBody?.content ?? {};
  const takesFile = "multipart/form-data" in content;
  const takesJson = !takesFile && "application/json" in content;
  const name = takesFile ? fileField(content["multipart/form-data"].schema) : "";
  const id = `try-${method}${path.replace(/\W+/g, "-")}`;
  const inputs = parameters.map((parameter) => input(parameter, `${id}-${parameter.name}`));
  const isPicture = name === "image";
  const picture = element("select", { id: `${id}-picture` }, element("option", { value: "" }, "photo.jpg, the page's own"));
  const upload = element("input", { id: `${id}-file`, type: "file" });
  const source = isPicture ? picture : upload;
  const body = element("textarea", { id: `${id}-body`, rows: 6, spellcheck: "false" });
  const code = element("pre", { tabindex: 0, "aria-label": "Code" });
  let language = "curl";
  const written = offered();
  const status = element("p", { class: "hint", role: "status" });
  const text = element("pre", { tabindex: 0, hidden: true, "aria-label": "Answer" });
  /** @type {Map<string, Blob>} */
  const kept = new Map();
  if (takesJson) body.value = JSON.stringify(content["application/json"].example ?? example(content["application/json"].schema), null, 2);

  /** The languages that can send it, to choose one. */
  function offered() {
    const names = programs({ ...call(), json: {} }).map(([name]) => name);
    const control = segments({
      label: "As code",
      options: names.map((name) => [name, name]),
      onchange: (value) => {
        language = value;
        draw();
      },
    });
    control.value = language;
    return control;
  }

  function url() {
    const query = new URLSearchParams();
    let filled = path;
    parameters.forEach((parameter, at) => {
      const { value } = inputs[at].control;
      if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(value));
      else if (value) query.set(parameter.name, value);
    });
    return filled.slice(1) + (String(query) && `?${query}`);
  }

  /** The request as it stands. */
  function call() {
    const query = new URLSearchParams(inputs.flatMap(({ control }, at) => (parameters[at].in === "query" && control.value ? [[parameters[at].name, control.value]] : [])));
    const file = isPicture ? (picture.selectedOptions[0]?.textContent?.split(",")[0] ?? "photo.jpg") : (upload.files?.[0]?.name ?? "hello.wav");
    const asked = inputs[parameters.findIndex((parameter) => parameter.name === "name")]?.control.value;
    const task = path.includes("audio") ? "automatic-speech-recognition" : path.startsWith("/v1/completions") ? "text-generation" : "image-to-text";
    return {
      method,
      path,
      url: address(url()),
      base: address(".").replace(/\/$/, ""),
      key: hasKey(),
      query,
      form: takesFile ? { field: name, name: file } : undefined,
      json: takesJson ? parsed(body.value) : undefined,
      model: models.all.find(({ id }) => id === asked) ?? models.of(task).find((card) => card.default),
    };
  }

  function draw() {
    const [, text] = programs(call()).find(([name]) => name === language) ?? ["", "This can't be sent so."];
    code.textContent = text;
  }

  async function send() {
    const began = performance.now();
    status.textContent = "Sent…";
    text.hidden = true;
    /** @type {RequestInit} */
    const options = {};
    try {
      if (takesFile) {
        const form = new FormData();
        const file = isPicture ? (kept.get(picture.value) ?? (await (await fetch(EXAMPLE)).blob())) : upload.files?.[0];
        if (file) form.append(name, file, isPicture ? "picture" : upload.files?.[0].name);
        options.body = form;
      } else if (takesJson) Object.assign(options, { body: body.value, headers: { "content-type": "application/json" } });
      const response = await request(url(), options);
      const answer = await response.text();
      status.textContent = `${response.status}, ${Math.round(performance.now() - began)} ms`;
      show(pretty(answer));
    } catch (error) {
      const { status: code, sentence, advice } = /** @type {import("../shell/failure.js").Failure} */ (error);
      status.textContent = code ? String(code) : "No answer";
      show(`${sentence ?? error} ${advice ?? ""}`);
    }
  }

  function show(/** @type {string} */ answer) {
    text.hidden = false;
    text.textContent = answer.length > MOST ? `${answer.slice(0, MOST)}\n… ${answer.length - MOST} more characters` : answer;
  }

  /** Offers the pictures that the browser keeps of the page. */
  async function offer() {
    const names = new Map((await peek("pictures")).map(([key, record]) => [key, record.name]));
    for (const [key, file] of await peek("files")) {
      kept.set(String(key), file);
      picture.append(element("option", { value: String(key) }, names.get(key) ?? String(key)));
    }
  }

  const form = element(
    "div",
    { class: "trying" },
    takesFile && element("div", { class: "control" }, element("label", { for: source.id }, isPicture ? "Picture" : "File"), source),
    inputs.length > 0 && element("div", { class: "inputs" }, ...inputs.map(({ node }) => node)),
    takesJson && element("div", { class: "control" }, element("label", { for: body.id }, "Body"), body),
    element("p", { class: "actions" }, button("Send", "M5 12h14m-5.5-5.5L19 12l-5.5 5.5", send, "primary")),
    element("div", { class: "answer" }, written.node, code, status, text),
  );
  form.addEventListener("input", draw);
  form.addEventListener("change", draw);
  if (takesFile && isPicture) offer().catch(() => {}); // nothing is kept, or the browser forbids it: the page's own picture does
  fillName();
  draw();
  return form;

  /** Puts a model's name where the path has one: the default for JSON is a language model, as in the example of its body. */
  async function fillName() {
    const place = parameters.findIndex((parameter) => parameter.in === "path" && parameter.name === "name");
    await models.load().catch(() => {}); // the names can be typed
    const model = models.of("text-generation").find((card) => card.default) ?? models.all[0];
    if (place >= 0 && model && !inputs[place].control.value) inputs[place].control.value = model.id;
    draw();
  }
}

/** The control of a parameter. */
function input(/** @type {Parameter} */ { name, schema, required }, /** @type {string} */ id) {
  const { type, enum: values, minimum, maximum } = resolved(schema);
  const options = values ?? (type === "boolean" ? ["true", "false"] : null);
  const control = options
    ? element("select", { id }, element("option", { value: "" }, "default"), ...options.map((/** @type {string} */ value) => element("option", { value }, String(value))))
    : element("input", { id, type: type === "integer" || type === "number" ? "number" : "text", step: type === "integer" ? 1 : "any", min: minimum, max: maximum, placeholder: required ? "required" : "default" });
  return { control, node: element("div", { class: "control" }, element("label", { for: id }, name), control) };
}

/** The name of the field that takes a file. */
function fileField(/** @type {import("./schema.js").Schema} */ schema) {
  const properties = resolved(schema)?.properties ?? {};
  return Object.keys(properties).find((name) => JSON.stringify(properties[name]).includes("application/octet-stream") || JSON.stringify(properties[name]).includes('"binary"')) ?? "image";
}

function pretty(/** @type {string} */ answer) {
  try {
    return JSON.stringify(JSON.parse(answer), null, 2);
  } catch {
    return answer;
  }
}

/** A text as JSON; as the text that it is, where it is none. */
function parsed(/** @type {string} */ text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
