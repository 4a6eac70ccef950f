"""The study of LSTM variants: Greff et al., "LSTM: A search space odyssey" (2017), done again on data that is free.

Eleven cells learn three tasks in many trials each, whose size, rate, momentum, noise and optimizer are drawn at random.
The best tenth of each cell's trials is compared with the vanilla LSTM's.
"""
