/** Equations as MathML, which browsers set by themselves. */

const MATHML = "http://www.w3.org/1998/Math/MathML";

/**
 * An equation. Its parts stand between spaces: `W_ih` has a subscript, `h'` a prime, `*` is the product of elements;
 * the rest are names, numbers and signs.
 */
export function mathematics(/** @type {string} */ text) {
  const made = node("math", ...text.split(" ").map(part));
  made.setAttribute("display", "block");
  return made;
}

function part(/** @type {string} */ text) {
  const [base, subscript] = text.split("_");
  if (subscript) return node("msub", node("mi", base), node("mi", subscript));
  if (text.endsWith("'")) return node("msup", node("mi", text.slice(0, -1)), node("mo", "′"));
  if (/^\d/.test(text)) return node("mn", text);
  if (/^\p{L}+$/u.test(text)) return node("mi", text);
  const sign = node("mo", text === "*" ? "⊙" : text);
  sign.setAttribute("stretchy", "false");
  return sign;
}

function node(/** @type {string} */ name, /** @type {(Node | string)[]} */ ...children) {
  const made = document.createElementNS(MATHML, name);
  made.append(...children);
  return made;
}
