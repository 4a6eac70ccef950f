/** Styles that come with a view, and not with the page. */

/** @type {Map<string, Promise<void>>} */
const asked = new Map();

/** Loads a style sheet once, by its path below `web/`; again if that failed. */
export function loadStyles(/** @type {string} */ path) {
  const loading = asked.get(path) ?? load(path);
  asked.set(path, loading);
  return loading;
}

/** @returns {Promise<void>} */
function load(/** @type {string} */ path) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = `web/${path}`;
  return new Promise((resolve, reject) => {
    link.addEventListener("load", () => resolve());
    link.addEventListener("error", () => {
      link.remove();
      asked.delete(path);
      reject(new Error(`${path} could not be loaded`));
    });
    document.head.append(link);
  });
}
