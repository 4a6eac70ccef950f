"""The parts that all data sets share."""

from training.errors import TrainingError

SPLITS = ("train", "dev", "test")
"""Parts of every data set: to learn from, to choose by, and to report once."""


class DataError(TrainingError):
    """A data set or one of its files is not what it should be; the message names the file and the reason."""
