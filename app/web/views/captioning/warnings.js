/** What is odd about an alternative text, for a person to look at before it is accepted. */

const OPENING = /^(an?|the) (picture|photo|photograph|image|drawing) (of|showing)\b/i;
const UNSURE = 0.3; // probability of a word below which it may be named
const MOST = 2; // words that are

/** Words that guess at gender, and those that do not. */
/** @type {Record<string, string>} */
const NEUTRAL = {
  man: "person", woman: "person", men: "people", women: "people", guy: "person", lady: "person", gentleman: "person",
  boy: "child", girl: "child", boys: "children", girls: "children", he: "they", she: "they", his: "their", her: "their", him: "them",
};
const GENDERED = new RegExp(`\\b(${Object.keys(NEUTRAL).join("|")})\\b`, "gi");

/** Whether a text guesses at gender. */
export function guesses(/** @type {string} */ text) {
  return text.match(GENDERED) !== null;
}

/** The text without those guesses, each capital where it was. */
export function neutral(/** @type {string} */ text) {
  return text.replace(GENDERED, (word) => {
    const other = NEUTRAL[word.toLowerCase()];
    return /[A-Z]/.test(word[0]) ? other.charAt(0).toUpperCase() + other.slice(1) : other;
  });
}

/**
 * Returns the warnings as sentences.
 *
 * @param {string} text
 * @param {{limit: number, twins: string[], tokens: import("./album.js").Token[]}} about A `limit` of 0 is none; `twins`
 *   are names of other pictures with the same text; `tokens` are those of the text, if the network wrote it.
 */
export function warnings(text, { limit, twins, tokens }) {
  const unsure = tokens
    .filter(({ logprob }) => Math.exp(logprob) < UNSURE)
    .sort((one, other) => one.logprob - other.logprob)
    .slice(0, MOST)
    .map((token) => `“${token.text}”`);
  return [
    !text.trim() && "It has no words. If the picture is decorative, press D.",
    limit > 0 && text.length > limit && `It is longer than ${limit} characters; screen readers may stop there.`,
    OPENING.test(text) && "It begins with what is plain: that it is a picture.",
    text.trim() && !/[.!?…]["”’)]?$/.test(text.trim()) && "It ends without a full stop, so it runs into what is read next.",
    guesses(text) && "It guesses at gender: P says “person”.",
    text.trim() && twins.length > 0 && `${twins.length === 1 ? twins[0] : `${twins[0]} and ${twins.length - 1} more`} ${twins.length === 1 ? "has" : "have"} the same text.`,
    unsure.length > 0 && `It was least sure of ${unsure.join(" and ")}.`,
  ].filter((warning) => typeof warning === "string");
}
