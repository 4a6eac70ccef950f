/** Talks to the server that this page is from. */

import { events } from "./events.js";
import { Failure } from "./failure.js";

let key = recall();

function recall() {
  try {
    return sessionStorage.getItem("recap-key") ?? "";
  } catch {
    return "";
  }
}

/** Whether a key goes with each request. */
export function hasKey() {
  return key !== "";
}

/** Sends this key from now on, as long as this tab is open. */
export function setKey(value) {
  key = value;
  try {
    sessionStorage.setItem("recap-key", value);
  } catch {
    // Storage is off: it is known until the page is left.
  }
}

/** The page's own address, for lines that others run. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key) headers.set("authorization", `Bearer ${key}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure({ code: "unreachable", message: "the server can't be reached" });
  }
  if (!response.ok) throw await Failure.from(response);
  return response;
}

/** A JSON answer. */
export async function get(path, signal) {
  return (await request(path, { signal })).json();
}

/** The events of a stream, their data as values; one that breaks off is a Failure. */
async function* stream(path, options) {
  const response = await request(path, { ...options, method: "POST" });
  try {
    for await (const event of events(response.body)) {
      if (event.data === "[DONE]") return;
      const data = JSON.parse(event.data);
      if (event.name === "error" || data.error) throw new Failure(data.error);
      yield { name: event.name, data };
    }
  } catch (error) {
    if (error instanceof Failure || error.name === "AbortError") throw error;
    throw new Failure({ code: "cut", message: "the connection broke before the answer was whole" });
  }
}

/** Captions of a picture, as `/v1/captions/stream` tells them; the parameters are a URLSearchParams. */
export async function* streamCaptions(picture, parameters, signal) {
  const body = new FormData();
  body.append("image", picture, "picture");
  let whole = false;
  for await (const event of stream(`v1/captions/stream?${parameters}`, { body, signal })) {
    whole ||= event.name === "caption";
    yield event;
  }
  if (!whole) throw new Failure({ code: "cut", message: "the connection broke before the caption was whole" });
}

/** Pieces of a text, as `/v1/completions` streams them. */
export async function* streamText(asked, signal) {
  const options = { body: JSON.stringify({ ...asked, stream: true }), headers: { "content-type": "application/json" }, signal };
  for await (const event of stream("v1/completions", options)) yield event.data.choices[0];
}
