/** The groups that views may belong to: each has one link in the navigation, and a row of tabs for its views. */

/** @type {import("../shell/view.js").Group} */
export const SEQUENCES = { title: "Sequences", hash: "sequences", icon: "M3.500 12h17M7 8.500v7M12 6v12M17 9.500v5", says: "Sentences, recordings, prices: what else recurrent networks read" };

/** @type {import("../shell/view.js").Group} */
export const INSIDE = { title: "Inside", hash: "inside", icon: "tree", says: "What goes on in a network: its search, its cells, its gradients, and each model's card" };
