/** Look inside: panels of the views on their latest work, then each model's figures and card. */

/** @type {import("../shell/view.js").View} */
export default {
  title: "Look inside",
  hash: "inside",
  icon: "tree",
  says: "The beam search of a caption, and each model's figures and card",

  async mount({ section }) {
    const { mountInside } = await import("./inside/page.js");
    return mountInside(section);
  },
};
