"""Reading sequences out of a recurrent network: one `step` to hypotheses."""
