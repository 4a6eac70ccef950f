/** Pictures by their links, which the server fetches where it may: a page may not read from other hosts. */

import { json, request } from "../../shell/api.js";
import { announce, clearNotice, notice } from "../../shell/messages.js";
import { pictures } from "./pictures.js";

/** @type {Record<string, string>} */
const ADVICE = {
  url_not_fetched: "Whoever runs this server can allow hosts with RECAP_URL_HOSTS. Or save the picture, then drop the file.",
  url_not_allowed: "Whoever runs this server can allow it with RECAP_URL_HOSTS. Or save the picture, then drop the file.",
};

/** Fetches pictures and takes them in; says of the others why they can't be had. */
export async function takeLinks(/** @type {string[]} */ urls) {
  clearNotice();
  announce(urls.length === 1 ? "Fetching a picture." : `Fetching ${urls.length} pictures.`);
  for (const url of urls) {
    try {
      const file = await (await request("v1/pictures", json({ url }))).blob();
      pictures.take([{ file, name: nameOf(url, file.type) }]);
    } catch (reason) {
      const error = /** @type {import("../../shell/failure.js").Failure} */ (reason);
      notice(`${url.slice(0, 80)}: ${error.sentence} ${ADVICE[error.code] ?? error.advice ?? ""}`);
    }
  }
}

/** A file's name: the end of its link, with a suffix that says what it is. */
function nameOf(/** @type {string} */ url, /** @type {string} */ type) {
  const { pathname, hostname } = new URL(url);
  const end = pathname.split("/").at(-1) || hostname;
  let name = end;
  try {
    name = decodeURIComponent(end);
  } catch {
    // a percent sign that is one
  }
  return /\.[a-z]{3,4}$/i.test(name) ? name : `${name}.${type.split("/")[1]}`;
}
