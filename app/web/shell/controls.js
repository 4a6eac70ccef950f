/** Controls with a label, a readable value, and a line on what they do. */

import { element } from "./element.js";

let made = 0;

/**
 * A slider's properties: `off` is the value that turns it off, `onchange` is called with the new value.
 *
 * @typedef {{label: string, min: number, max: number, step: number, hint?: string, off?: number,
 *   onchange?: (value: number) => void}} SliderOptions
 */

/**
 * A slider: `node`, and `value` to get and set.
 *
 * @param {SliderOptions} options
 */
export function slider({ label, min, max, step, hint = "", off, onchange }) {
  const id = `control-${++made}`;
  const output = element("span", { class: "value", "aria-hidden": "true" });
  const input = element("input", { id, type: "range", min, max, step, "aria-describedby": hint && `${id}-hint` });
  const write = () => {
    output.textContent = Number(input.value) === off ? "off" : input.value;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    write();
    onchange?.(Number(input.value));
  });
  const row = element("div", { class: "label" }, element("label", { for: id }, label), output);
  return field(id, row, input, hint, {
    get: () => Number(input.value),
    set: (value) => {
      input.value = String(value);
      write();
    },
  });
}

/**
 * A line of text; `onchange` is called when typing pauses.
 *
 * @param {{label: string, hint?: string, placeholder?: string, onchange: (value: string) => void}} options
 */
export function line({ label, hint = "", placeholder = "", onchange }) {
  const id = `control-${++made}`;
  const input = element("input", { id, type: "text", placeholder, maxlength: 200, autocomplete: "off", "aria-describedby": hint && `${id}-hint` });
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => onchange(input.value), 400);
  });
  const row = element("div", { class: "label" }, element("label", { for: id }, label));
  return field(id, row, input, hint, { get: () => input.value, set: (value) => (input.value = value) });
}

/**
 * A checkbox.
 *
 * @param {{label: string, hint?: string, onchange: (value: boolean) => void}} options
 */
export function check({ label, hint = "", onchange }) {
  const id = `control-${++made}`;
  const input = element("input", { id, type: "checkbox", "aria-describedby": hint && `${id}-hint`, onchange: () => onchange(input.checked) });
  const row = element("div", { class: "check" }, input, element("label", { for: id }, label));
  return field(id, row, input, hint, { get: () => input.checked, set: (value) => (input.checked = value) });
}

/** @typedef {[value: string, text: string][]} Options */

/**
 * One of several: a select.
 *
 * @param {{label: string, options: Options, onchange: (value: string) => void}} properties
 */
export function choice({ label, options, onchange }) {
  const id = `control-${++made}`;
  const input = element("select", { id, onchange: () => onchange(input.value) });
  input.append(...options.map(([value, text]) => element("option", { value }, text)));
  const row = element("div", { class: "label" }, element("label", { for: id }, label));
  return field(id, row, input, "", { get: () => input.value, set: (value) => (input.value = value) });
}

/**
 * One of a few, side by side: radio buttons.
 *
 * @param {{label: string, options: Options, onchange: (value: string) => void}} properties
 */
export function segments({ label, options, onchange }) {
  const name = `control-${++made}`;
  const inputs = options.map(([value]) => element("input", { type: "radio", name, value, id: `${name}-${value}`, onchange: () => onchange(value) }));
  const labels = options.map(([value, text], place) => [inputs[place], element("label", { for: `${name}-${value}` }, text)]);
  const node = element("fieldset", { class: "segments" }, element("legend", {}, label), element("div", {}, ...labels.flat()));
  return {
    node,
    get value() {
      return inputs.find((input) => input.checked)?.value;
    },
    set value(value) {
      for (const input of inputs) input.checked = input.value === value;
    },
  };
}

/**
 * A control from its parts: a row with its label, its input, a hint, and access to its value.
 *
 * @template {HTMLInputElement | HTMLSelectElement} Input
 * @template Value
 * @param {string} id
 * @param {HTMLElement} row
 * @param {Input} input
 * @param {string} hint
 * @param {{get: () => Value, set: (value: Value) => void}} access
 */
function field(id, row, input, hint, { get, set }) {
  const wrong = element("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const told = hint ? element("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  const node = element("div", { class: "control" }, row, input !== row.firstChild && input, told, wrong);
  return {
    node,
    input,
    get value() {
      return get();
    },
    set value(value) {
      set(value);
    },
    /** Shows beside it what is wrong with its value; "" takes that away. */
    blame(/** @type {string} */ message) {
      wrong.hidden = !message;
      wrong.textContent = message;
      if (message) {
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-errormessage", wrong.id);
      } else {
        input.removeAttribute("aria-invalid");
        input.removeAttribute("aria-errormessage");
      }
    },
  };
}
