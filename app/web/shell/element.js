/**
 * Makes an element. Properties that are functions listen to events ("onclick"); others become attributes, unless they are
 * null, undefined or false. Children that are null, undefined or false are left out too.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} properties
 * @param {...(Node | string | false | null | undefined)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an SVG element with these attributes.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children
 */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** An icon: a symbol of index.html by its name, or a path by its data, on 24 x 24. */
export function icon(/** @type {string} */ shape) {
  const isPath = /^m\s*-?[\d.]/i.test(shape);
  return drawing("svg", { "aria-hidden": "true", viewBox: "0 0 24 24" }, isPath ? drawing("path", { d: shape }) : drawing("use", { href: `#icon-${shape}` }));
}

/**
 * The first element that a selector finds, which has to be there.
 *
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {HTMLElement}
 */
export function find(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return /** @type {HTMLElement} */ (found);
}

/**
 * A button with an icon before its text, which stands in a span.
 *
 * @param {string} text
 * @param {string} shape As for `icon`.
 * @param {() => unknown} act
 * @param {string} [kind] Its classes.
 */
export function button(text, shape, act, kind = "") {
  return element("button", { type: "button", class: kind, onclick: act }, icon(shape), element("span", {}, text));
}

/** Changes the icon of a button. */
export function setIcon(/** @type {HTMLElement} */ button, /** @type {string} */ name) {
  find("use", button).setAttribute("href", `#icon-${name}`);
}
