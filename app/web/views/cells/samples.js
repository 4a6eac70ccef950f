/** Texts to begin with, for the models that Recap comes with. */

/** @type {Record<string, string>} */
const SAMPLES = {
  shakespeare: `ROMEO:
O, she doth teach the torches to burn bright!
It seems she hangs upon the cheek of night
Like a rich jewel in an Ethiope's ear;
Beauty too rich for use, for earth too dear!

TYBALT:
This, by his voice, should be a Montague.
Fetch me my rapier, boy.

CAPULET:
Why, how now, kinsman! wherefore storm you so?
`,
  "linux-c": `/* Find the first entry that is not in use. */
static int first_free(struct table *table, int size)
{
	int i;

	for (i = 0; i < size; i++) {
		if (!table[i].used) {
			pr_debug("found a free entry (%d)\\n", i);
			return i;
		}
	}
	return -ENOSPC;
}
`,
  latex: `\\begin{lemma}
Let $X$ be a scheme, and let $U \\subset X$ be an open subscheme. Then
$$
\\mathcal{O}_X(U) = \\lim_{V \\subset U} \\mathcal{O}_X(V)
$$
\\end{lemma}

\\begin{proof}
This is clear (see above).
\\end{proof}
`,
};

/** The text to begin with of a model, by its name. */
export function sample(/** @type {string} */ model) {
  return SAMPLES[model] ?? SAMPLES.shakespeare;
}
