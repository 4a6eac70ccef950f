/** Forecasting: how far a price may move, as of a day that can be moved, beside what came. */

/** @type {import("../shell/view.js").View} */
export default {
  title: "Forecast",
  hash: "forecast",
  icon: "M3 16l6-5 3 3 4-6M16 8l5-5M16 8l5 5M16 8h5",
  says: "How far a price may move",
  task: "time-series-forecasting",
  files: {
    accept: ".csv,text/csv",
    names: /\.csv$/i,
    none: "There is no CSV file in this folder.",
    link: "Save the prices as a file first: links are not followed.",
    take: async ([first]) => (await import("./forecasting/board.js")).board.take(first),
  },

  async mount({ section }) {
    const { board } = await import("./forecasting/board.js");
    board.mount(section);
  },

  about: ({ cell, num_layers, hidden_size, members, context }) => ({
    facts: [
      ["Cells", `${members} times ${num_layers} × ${hidden_size} ${cell}`],
      ["Reads", `the last ${context} days`],
    ],
    sample: [],
  }),
};
