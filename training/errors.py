"""Errors that people who train can mend."""


class TrainingError(Exception):
    """Base of the errors that `recap-train` reports in one line; the message says what is wrong, and where."""
