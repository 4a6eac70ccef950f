/** A request as programs that send it: curl, Python, the clients of others, JavaScript and the command line. */

/**
 * A request: where it goes, and what it carries, if anything: a file in a form, or JSON.
 *
 * @typedef {object} Call
 * @property {string} method
 * @property {string} path Of the contract, with its parameters in braces.
 * @property {string} url In full.
 * @property {string} base The server's address, without a slash at its end.
 * @property {boolean} key Whether the server wants a key: programs read it from RECAP_KEY.
 * @property {{field: string, name: string}} [form]
 * @property {any} [json]
 * @property {import("../shell/models.js").Card} [model] The model that is asked.
 * @property {URLSearchParams} query
 */

/** @typedef {(call: Call) => string | null} Writer Returns null where a language has no way to send it. */

/** @type {Record<string, Writer>} */
const LANGUAGES = {
  curl: ({ method, url, key, form, json }) => {
    const data = form ? ` -F ${quoted(`${form.field}=@${form.name}`)}` : json === undefined ? "" : ` --json ${quoted(JSON.stringify(json))}`;
    return `curl${key ? ` -H "Authorization: Bearer $RECAP_KEY"` : ""}${method === "POST" && !data ? " -X POST" : ""}${data} ${quoted(url)}`;
  },

  Python: ({ method, url, key, form, json }) => {
    const more = [
      key && `    headers={"Authorization": "Bearer " + os.environ["RECAP_KEY"]},`,
      form && `    files={${python(form.field)}: open(${python(form.name)}, "rb")},`,
      json !== undefined && `    json=${python(json)},`,
    ].filter(Boolean);
    return lines(key && "import os\n", "import requests\n", `answer = requests.${method.toLowerCase()}(`, `    ${python(url)},`, ...more, ")", "answer.raise_for_status()", "print(answer.text)");
  },

  openai: ({ path, base, key, form, json, model }) => {
    const client = lines(key && "import os\n", "from openai import OpenAI\n", `client = OpenAI(base_url=${python(`${base}/v1`)}, api_key=${key ? `os.environ["RECAP_KEY"]` : `"none"`})`);
    const named = { model: model?.id ?? "none", ...json };
    /** @type {Record<string, () => string>} */
    const calls = {
      "/v1/chat/completions": () => answered(client, "chat.completions.create", named, "answer.choices[0].message.content"),
      "/v1/completions": () => answered(client, "completions.create", named, "answer.choices[0].text"),
      "/v1/audio/transcriptions": () => lines(client, `answer = client.audio.transcriptions.create(model=${python(named.model)}, file=open(${python(form?.name)}, "rb"))`, "print(answer.text)"),
      "/v1/models": () => lines(client, "print([model.id for model in client.models.list()])"),
      "/v1/models/{name}": () => lines(client, `print(client.models.retrieve(${python(named.model)}))`),
    };
    return calls[path]?.() ?? null;
  },

  huggingface_hub: ({ path, url, key, json, model }) => {
    if (path !== "/models/{name}") return null;
    const client = lines(key && "import os\n", "from huggingface_hub import InferenceClient\n", `client = InferenceClient(${python(url)}${key ? `, token=os.environ["RECAP_KEY"]` : ""})`);
    const { inputs = "", parameters = {} } = json ?? {};
    const call = HUGGING_FACE[model?.task ?? "text-generation"];
    return call ? lines(client, `print(client.${call(inputs, parameters)})`) : null;
  },

  JavaScript: ({ method, url, key, form, json }) => {
    const headers = [key && `authorization: "Bearer " + process.env.RECAP_KEY`, json !== undefined && `"content-type": "application/json"`].filter(Boolean).join(", ");
    const options = [method !== "GET" && `method: ${JSON.stringify(method)}`, headers && `headers: { ${headers} }`, form && "body", json !== undefined && `body: JSON.stringify(${JSON.stringify(json)})`].filter(Boolean).join(", ");
    return lines(
      form && `import { openAsBlob } from "node:fs"; // in a browser, a file of an <input type="file">\n`,
      form && "const body = new FormData();",
      form && `body.append(${JSON.stringify(form.field)}, await openAsBlob(${JSON.stringify(form.name)}), ${JSON.stringify(form.name)});`,
      `const answer = await fetch(${JSON.stringify(url)}${options ? `, { ${options} }` : ""});`,
      "if (!answer.ok) throw new Error(await answer.text());",
      "console.log(await answer.text());",
    );
  },

  "command line": ({ path, query, json }) => {
    const command = COMMANDS[path];
    const asked = [...query].flatMap(([name, value]) => (OPTIONS.includes(name) ? [value === "true" ? `--${dashed(name)}` : value === "false" ? `--no-${dashed(name)}` : `--${dashed(name)} ${quoted(value)}`] : []));
    return command ? [command(json ?? {}), ...(path.startsWith("/v1/captions") ? asked : [])].join(" ") : null;
  },
};

/** Options that `recap caption` has in common with the query. */
const OPTIONS = ["model", "beam_size", "num_captions", "neutral", "tags", "format", "min_confidence"];

/** @type {Record<string, (json: any) => string>} */
const COMMANDS = {
  "/v1/captions": () => "recap caption photo.jpg",
  "/v1/captions/batch": () => "recap caption photos/ --jsonl captions.jsonl",
  "/v1/completions": ({ prompt = "", max_tokens, temperature, stop }) => ["recap generate", `--prompt ${quoted(prompt)}`, max_tokens !== undefined && `--max-tokens ${max_tokens}`, temperature !== undefined && `--temperature ${temperature}`, typeof stop === "string" && `--stop ${quoted(stop)}`].filter(Boolean).join(" "),
  "/v1/intents": ({ text = "" }) => `recap classify ${[text].flat().map(quoted).join(" ")}`,
  "/v1/translations": ({ text = "" }) => `recap translate ${[text].flat().map(quoted).join(" ")}`,
  "/v1/audio/transcriptions": () => "recap transcribe hello.wav",
  "/v1/forecasts": () => "recap forecast prices.csv",
  "/v1/models": () => "recap models",
};

/** @type {Record<string, (inputs: string, parameters: Record<string, any>) => string>} */
const HUGGING_FACE = {
  "image-to-text": () => `image_to_text("photo.jpg")`,
  "text-generation": (inputs, parameters) => `text_generation(${[python(inputs), ...Object.entries(parameters).map(([name, value]) => `${name}=${python(value)}`)].join(", ")})`,
  "text-classification": (inputs) => `text_classification(${python(inputs)})`,
  translation: (inputs) => `translation(${python(inputs)})`,
  "automatic-speech-recognition": () => `automatic_speech_recognition("hello.wav")`,
};

/** The request in each language that can send it. */
export function programs(/** @type {Call} */ call) {
  return Object.entries(LANGUAGES).flatMap(([name, write]) => {
    const text = write(call);
    return text ? [/** @type {[name: string, text: string]} */ ([name, text])] : [];
  });
}

/** A call of OpenAI's client; what its signature lacks goes into `extra_body`. */
function answered(/** @type {string} */ client, /** @type {string} */ method, /** @type {Record<string, any>} */ body, /** @type {string} */ part) {
  const own = Object.entries(body).filter(([name]) => OPENAI.includes(name));
  const extra = Object.fromEntries(Object.entries(body).filter(([name]) => !OPENAI.includes(name)));
  const given = [...own, ...(Object.keys(extra).length ? [["extra_body", extra]] : [])].map(([name, value]) => `    ${name}=${python(value)},`);
  const print = body.stream ? ["for part in answer:", "    print(part)"] : [`print(${part})`];
  return lines(client, `answer = client.${method}(`, ...given, ")", ...print);
}

/** Parameters that OpenAI's client knows, among those that this server takes. */
const OPENAI = ["model", "messages", "prompt", "max_tokens", "temperature", "top_p", "n", "stop", "seed", "stream", "stream_options", "logprobs", "top_logprobs", "echo", "best_of", "suffix", "user", "presence_penalty", "frequency_penalty", "logit_bias"];

function lines(/** @type {(string | false | undefined)[]} */ ...all) {
  return all.filter((line) => line !== false && line !== undefined).join("\n");
}

/** A value of JSON as Python writes it. */
/** @returns {string} */
export function python(/** @type {any} */ value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${python(part)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** Quotes a word for a shell. */
export function quoted(/** @type {string} */ text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function dashed(/** @type {string} */ name) {
  return name.replaceAll("_", "-");
}
