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

/** @typedef {RequestInit & {sent?: (share: number) => void}} Options A body makes it a POST, of which `sent` hears how much has gone out. */

/**
 * Sends a request. No answer, or one that refuses, throws a Failure.
 *
 * @param {string} path
 * @param {Options} [options]
 */
export async function request(path, { sent, ...options } = {}) {
  const given = key;
  const headers = new Headers(options.headers);
  if (given) headers.set("authorization", `Bearer ${given}`);
  let response;
  try {
    response = await (sent ? upload(path, { ...options, headers }, sent) : fetch(path, { ...options, headers, method: options.body ? "POST" : "GET" }));
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Failure({ code: "unreachable", message: "the server can't be reached" });
  }
  if (response.status === 401 && key !== given) return request(path, { sent, ...options }); // a key was entered meanwhile
  if (!response.ok) throw await Failure.from(response);
  return response;
}

/**
 * What `fetch` does, by the older interface: it alone tells how much of a body has been sent.
 *
 * @param {string} path
 * @param {RequestInit & {headers: Headers}} options
 * @param {(share: number) => void} sent
 * @returns {Promise<Response>}
 */
function upload(path, { body, headers, signal }, sent) {
  return new Promise((resolve, reject) => {
    const work = new XMLHttpRequest();
    const encoder = new TextEncoder();
    let read = 0; // characters of the answer
    /** @type {ReadableStreamDefaultController} */
    let pipe;
    const answer = new ReadableStream({
      start(control) {
        pipe = control;
      },
      cancel: () => work.abort(),
    });
    const take = () => {
      pipe.enqueue(encoder.encode(work.responseText.slice(read)));
      read = work.responseText.length;
    };
    const fail = (/** @type {unknown} */ error) => {
      reject(error);
      pipe.error(error);
    };
    work.open("POST", path);
    for (const [name, value] of headers) work.setRequestHeader(name, value);
    work.upload.addEventListener("progress", ({ loaded, total }) => sent(loaded / total));
    work.upload.addEventListener("load", () => sent(1));
    work.addEventListener("readystatechange", () => {
      if (work.readyState !== XMLHttpRequest.HEADERS_RECEIVED) return;
      const names = work.getAllResponseHeaders().trim().split(/\r\n/).map((line) => /** @type {[string, string]} */ (line.split(/: (.*)/s, 2)));
      resolve(new Response(answer, { status: work.status, statusText: work.statusText, headers: names }));
    });
    work.addEventListener("progress", take);
    work.addEventListener("load", () => {
      take();
      pipe.close();
    });
    work.addEventListener("error", () => fail(new TypeError("the connection failed")));
    work.addEventListener("abort", () => fail(new DOMException("withdrawn", "AbortError")));
    signal?.addEventListener("abort", () => work.abort());
    work.send(/** @type {XMLHttpRequestBodyInit} */ (body));
  });
}

/**
 * Returns the answer's JSON.
 *
 * @param {string} path
 * @param {Options} [options]
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
 * @param {Options} options
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
