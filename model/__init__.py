"""Networks, and all that is needed to run them: no HTTP, no data sets.

Shape letters, used in every comment: B batch (pictures), N rows (B pictures x K hypotheses), T time, P grid
positions, E encoder features, D inputs of a recurrent layer, H its hidden units, G blocks of its gates, L layers,
A attention units, V vocabulary, S picture side in pixels.
"""
