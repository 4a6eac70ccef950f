/**
 * The form of a view: the value that a module in `views/` exports by default, and that `views/index.js` lists.
 *
 * Styles in a file beside the module, `text.css` for `text.js`, are loaded with the page. The first view may also have an
 * HTML file there, which is in its section before any script has run.
 *
 * @typedef {object} View
 * @property {string} title In the navigation and in the title bar.
 * @property {string} hash Its address, without the #. The section that it fills has the id `view-HASH`.
 * @property {string} icon The name of a symbol in index.html, or the path data of one of its own (24 x 24).
 * @property {string} [says] A few words on what it is for, where its title alone does not tell.
 * @property {string} [task] The models that it is about, by their `task` in `/v1/models`.
 * @property {(place: Place) => unknown} mount Fills the section when the view is first opened. What it imports by then
 *   need not be fetched with the page.
 * @property {(place: string) => void} [arrive] Called each time it is opened, with what its address has behind a slash.
 * @property {(place: Place) => void} [start] Called once when the page loads, for what is there whatever view is open.
 * @property {Files} [files] The files that it takes. While it is open, they are its own; otherwise they go to the first
 *   view that takes some.
 * @property {() => Promise<HTMLElement>} [inside] Makes its panel in "Look inside".
 * @property {(card: Card) => About} [about] What "Look inside" says of one of its models.
 */

/**
 * A view's place on the page.
 *
 * @typedef {object} Place
 * @property {HTMLElement} section For it to fill.
 * @property {HTMLAnchorElement} link To it, in the navigation.
 */

/**
 * The files that a view takes, however they come: chosen, dropped or pasted.
 *
 * @typedef {object} Files
 * @property {string} accept Of the file dialog: media types or suffixes.
 * @property {RegExp} names Which files of a folder are meant, by their names. Those outside a folder are all taken.
 * @property {string} none Said of a folder with none of them.
 * @property {string} [link] Said of a link that is dropped in place of a file.
 * @property {(urls: string[]) => void} [links] Called with links that are dropped or pasted in place of files.
 * @property {(files: NamedFile[]) => void} take Called with those that came, at least one.
 */

/** @typedef {{file: Blob, name: string}} NamedFile */

/**
 * @typedef {object} About
 * @property {[term: string, detail: string][]} facts
 * @property {string[]} sample What the figures were measured on, beside the split.
 */

/** @typedef {import("./models.js").Card} Card */

export {};
