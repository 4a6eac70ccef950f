/** Requests to the server that the page comes from. */

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
export function setKey(/** @type {string} */ value) {
  key = value;
  try {
    sessionStorage.setItem("recap-key", value);
  } catch {
    // Storage is off: the key is kept until the page is left.
  }
}

/** The full URL of a path, for commands that run outside the browser. */
export function address(/** @type {string} */ path) {
  return new URL(path, document.baseURI).href;
}

/**
 * Sends a request. No answer, or one that refuses, throws a Failure.
 *
 * @param {string} path
 * @param {RequestInit} [options] A body makes it a POST.
 */
export async function request(path, options = {}) {
  const sent = key;
  const headers = new Headers(options.headers);
  if (sent) headers.set("authorization", `Bearer ${sent}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers, method: options.body ? "POST" : "GET" });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Failure({ code: "unreachable", message: "the server can't be reached" });
  }
  if (response.status === 401 && key !== sent) return request(path, options); // a key was entered meanwhile
  if (!response.ok) throw await Failure.from(response);
  return response;
}

/**
 * Returns the answer's JSON.
 *
 * @param {string} path
 * @param {RequestInit} [options]
 */
export async function ask(path, options) {
  return (await request(path, options)).json();
}

/** Options for `ask` and `stream` that send a value as JSON. */
export function json(/** @type {unknown} */ value) {
  return { body: JSON.stringify(value), headers: { "content-type": "application/json" } };
}

/**
 * Yields the server-sent events of the answer, their data parsed from JSON. A stream that breaks off throws a Failure.
 *
 * @param {string} path
 * @param {RequestInit} options
 * @returns {AsyncGenerator<{name: string, data: any}>}
 */
export async function* stream(path, options) {
  const response = await request(path, options);
  try {
    for await (const event of events(/** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body))) {
      if (event.data === "[DONE]") return;
      const data = JSON.parse(event.data);
      if (event.name === "error" || data.error) throw new Failure(data.error);
      yield { name: event.name, data };
    }
  } catch (error) {
    if (error instanceof Failure || isAbort(error)) throw error;
    throw cut("answer");
  }
}

/** Whether a request ended because it was withdrawn. */
export function isAbort(/** @type {unknown} */ error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/** The failure of a connection that broke before something was complete. */
export function cut(/** @type {string} */ what) {
  return new Failure({ code: "cut", message: `the connection broke before the ${what} was whole` });
}
