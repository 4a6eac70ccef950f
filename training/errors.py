"""The base of all errors that are the recipe's or the data's, not the code's."""


class TrainingError(Exception):
    """Base of the errors that `recap-train` reports in one line; the message says what is wrong, and where."""
