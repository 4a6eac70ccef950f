"""The pronunciations that a synthesiser is given: the CMU dictionary, as it comes with PocketSphinx."""

import re
from pathlib import Path

from model.files import read_bytes
from model.tasks.speech.pronunciations import Pronunciations
from training.data.base import DataError


def read_dictionary(path: Path | None) -> Pronunciations:
    """A dictionary in the CMU's form, or PocketSphinx's; stress and further pronunciations of a word are left out.

    Raises:
        DataError: it can't be read, or has something that is no pronunciation.
    """
    if path is None:
        import pocketsphinx

        path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    words: dict[str, str] = {}
    try:
        for line in read_bytes(path).decode("utf-8").splitlines():
            word, _, phones = line.partition("#")[0].strip().partition(" ")
            if re.fullmatch(r"[a-zA-Z']+", word):
                words.setdefault(word.lower(), " ".join(re.sub(r"\d", "", phones).split()))
        return Pronunciations(words)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error
