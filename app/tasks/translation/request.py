"""A request for translations, in whatever dialect it came: its texts, its model and its languages."""

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from app.characters import stray
from app.errors import Refusal
from app.http.fields import invalid, shown
from app.http.requests import while_connected
from app.serving.engine import Engine
from app.tasks.translation.service import SentenceJob, TranslatorCheckpoint, TranslatorWorker
from model.tasks.translation import TRANSLATION
from model.tasks.translation.config import TranslationDecodingConfig
from model.tasks.translation.texts import Text, TextTranslation
from model.tasks.translation.translator import Translator

MAX_TEXTS = 64
"""Most texts of a request."""
MAX_CHARS = 10_000
"""Most characters of all texts of a request together."""
MAX_SENTENCES = 256
"""Most sentences of a request: each costs a search, and others wait for all of them."""
MAX_SEEN = 1_000
"""Most characters with attention, whose size is the product of both sides'."""
MAX_WEIGHTS = 1_000_000
"""Most weights of attention that an answer may have."""

LANGUAGES = {"de": "German", "en": "English"}
"""Names of languages by their codes; others are shown by their code."""
_CODES = {"eng": "en", "deu": "de", "ger": "de"}


def language_of(code: str) -> str:
    """A language's code in two letters, where it has one: of `en-US`, `de_DE` and `deu_Latn` too."""
    bare = code.replace("_", "-").partition("-")[0].lower()
    return _CODES.get(bare, bare)


def translators(engine: Engine) -> list[TranslatorCheckpoint]:
    """All that are served."""
    return [found for found in engine.registry.checkpoints.values() if found.task is TRANSLATION]


def find_translator(engine: Engine, model: str | None, source: str | None, target: str | None) -> TranslatorCheckpoint:
    """The checkpoint that a request names, or the first for its languages; the default if it names nothing.

    Raises:
        Refusal: there is none, or the one that it names is for other languages.
    """
    candidates = [engine.find(TRANSLATION, model)]
    if model is None and (source, target) != (None, None):
        candidates += translators(engine)
    for checkpoint in candidates:
        config = checkpoint.config
        if (source is None or language_of(source) == config.source) and (
            target is None or language_of(target) == config.target
        ):
            return checkpoint
    served = sorted({(found.config.source, found.config.target) for found in candidates})
    wrong = source is not None and language_of(source) not in dict(served)
    name, code = ("source", source) if wrong or target is None else ("target", target)
    pairs = ", ".join(f"{one} to {other}" for one, other in served)
    raise invalid(name, code, f"{model or 'this server'} translates {pairs}")


def read_texts(translator: Translator, texts: Sequence[str], *, attention: bool = False) -> list[Text]:
    """Texts in sentences.

    Raises:
        Refusal: there is none, one is empty or can't be read, or they are too many or too long.
    """
    if not texts:
        raise Refusal("invalid_parameter", f"text=[]: a text is needed, or a list of at most {MAX_TEXTS}", "text")
    if len(texts) > MAX_TEXTS:
        message = f"text has {len(texts):,} texts; at most {MAX_TEXTS} fit into a request"
        raise Refusal("invalid_parameter", message, "text")
    length, most = sum(map(len, texts)), MAX_SEEN if attention else MAX_CHARS
    if length > most:
        limit = f"with attention, at most {most:,} fit" if attention else f"at most {most:,} fit"
        raise Refusal("invalid_parameter", f"text has {length:,} characters; {limit} into a request", "text")
    for number, text in enumerate(texts, start=1):
        which = "text" if len(texts) == 1 else f"text {number} of {len(texts)}"
        if fault := fault_of(translator, text):
            raise Refusal("invalid_parameter", f"{which} {fault}", "text")
    split = [Text(translator, text) for text in texts]
    sentences = sum(len(text.sentences) for text in split)
    if sentences > MAX_SENTENCES:
        message = f"text has {sentences:,} sentences or lines; at most {MAX_SENTENCES} fit into a request"
        raise Refusal("invalid_parameter", message, "text")
    return split


def check_weights(texts: Sequence[Text], decoding: TranslationDecodingConfig) -> None:
    """Raises a Refusal if attention could have too many weights: one for each piece written and each piece read."""
    pieces = sum(len(text.sentences) * len(text.source_tokens()) for text in texts)
    weights = pieces * decoding.num_translations * decoding.max_length
    if weights > MAX_WEIGHTS:
        message = (
            f"attention=true: the answer could have {weights:,} weights, and {MAX_WEIGHTS:,} fit;"
            " lower num_translations or max_length, or send fewer sentences"
        )
        raise Refusal("invalid_parameter", message, "attention")


def fault_of(translator: Translator, text: str) -> str | None:
    """The reason why a text can't be translated, if there is one."""
    if not text.strip():
        return "is empty; a sentence is needed"
    if stray_character := stray(text):
        return stray_character
    letters = [character for character in text if character.isalpha()]
    strange = [letter for letter in letters if letter not in translator.subwords.characters]
    if 2 * len(strange) > len(letters):
        source = LANGUAGES.get(translator.config.source, translator.config.source)
        return f"is in letters that the model has never seen ({shown(''.join(strange)[:10])}); {source} is needed"
    return None


async def translate(
    request: Request,
    worker: TranslatorWorker,
    texts: Sequence[Text],
    decoding: TranslationDecodingConfig,
    *,
    attention: bool = False,
) -> list[list[TextTranslation]]:
    """The translations of each text, best first; raises what the worker's tasks do."""
    jobs = [SentenceJob(part, decoding, attention) for text in texts for _, part in text.sentences]
    done: Any = await while_connected(request, asyncio.gather(*worker.submit(jobs)))
    found = iter(done)
    return [text.join([next(found).translations for _ in text.sentences]) for text in texts]
