/** Text: a language model writes, and shows how sure it was of each character. */

/** @type {import("../shell/view.js").View} */
export default {
  title: "Write",
  hash: "write",
  icon: "pen",
  says: "Language models write on, a character at a time",
  task: "text-generation",

  async mount({ section }) {
    const { mountDesk } = await import("./text/desk.js");
    return mountDesk(section);
  },

  about: ({ cell, num_layers, hidden_size, unit }) => ({
    facts: [
      ["Cells", `${num_layers} × ${hidden_size} ${cell}`],
      ["Writes", `a ${unit} at a time`],
    ],
    sample: [],
  }),
};
