/** The form that tries an operation, with the pictures at hand, and the curl line that does the same. */

import { address, hasKey, request } from "../shell/api.js";
import { button, element } from "../shell/element.js";
import { peek } from "../shell/store.js";
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
  const picture = element("select", { id: `${id}-picture` }, element("option", { value: "" }, "photo.jpg, the page's own"));
  const body = element("textarea", { id: `${id}-body`, rows: 6, spellcheck: "false" });
  const line = element("pre", { tabindex: 0 });
  const status = element("p", { class: "hint", role: "status" });
  const text = element("pre", { tabindex: 0, hidden: true, "aria-label": "Answer" });
  /** @type {Map<string, Blob>} */
  const kept = new Map();
  if (takesJson) body.value = JSON.stringify(example(content["application/json"].schema), null, 2);

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

  function draw() {
    const key = hasKey() ? ` -H "Authorization: Bearer $RECAP_KEY"` : "";
    const file = picture.selectedOptions[0]?.textContent?.split(",")[0] ?? "photo.jpg";
    const data = takesFile ? ` -F ${quoted(`${name}=@${file}`)}` : takesJson ? ` --json ${quoted(body.value.replace(/\s*\n\s*/g, " "))}` : "";
    line.textContent = `curl${key}${data} ${quoted(address(url()))}`;
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
        form.append(name, kept.get(picture.value) ?? (await (await fetch(EXAMPLE)).blob()), "picture");
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
    takesFile && element("div", { class: "control" }, element("label", { for: picture.id }, "Picture"), picture),
    inputs.length > 0 && element("div", { class: "inputs" }, ...inputs.map(({ node }) => node)),
    takesJson && element("div", { class: "control" }, element("label", { for: body.id }, "Body"), body),
    element("p", { class: "actions" }, button("Send", "M5 12h14m-5.5-5.5L19 12l-5.5 5.5", send, "primary")),
    element("div", { class: "answer" }, line, status, text),
  );
  form.addEventListener("input", draw);
  form.addEventListener("change", draw);
  if (takesFile) offer().catch(() => {}); // nothing is kept, or the browser forbids it: the page's own picture does
  draw();
  return form;
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

function quoted(/** @type {string} */ text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
