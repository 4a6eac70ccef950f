"""Networks, and all that is needed to run them: no HTTP, no data sets.

Shape letters, used in every comment: B batch (pictures), N rows (B pictures x K hypotheses), T time, P grid
positions, E encoder features, H hidden units, A attention units, V vocabulary, S picture side in pixels.
"""
