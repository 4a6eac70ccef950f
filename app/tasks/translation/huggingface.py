"""Hugging Face's translation: a text in, its translations out, in a list."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import WithJsonSchema, model_validator

from app.http.body import Ignored, Needed, overrides, parse
from app.http.fields import errors_in_terms_of, invalid
from app.http.requests import read_body
from app.serving.engine import Engine
from app.tasks.huggingface import Handler, Inference, InferenceParameters
from app.tasks.translation.request import find_translator, read_texts, translate
from app.tasks.translation.schemas import HuggingFaceTranslation
from app.tasks.translation.service import TranslatorCheckpoint, TranslatorWorker
from model.tasks.translation.config import TranslationDecodingConfig

_LONGEST = 200
"""The upper bound of `TranslationDecodingConfig.max_length`; callers who ask for more mean a bound."""
NAMES = {
    "num_beams": "beam_size",
    "num_return_sequences": "num_translations",
    "length_penalty": "length_penalty",
    "max_length": "max_length",
    "max_new_tokens": "max_length",
}
"""Parameters of `transformers` that translators have -> their names in `TranslationDecodingConfig`; of two for the same
the later holds, as there."""


@overrides(TranslationDecodingConfig, NAMES)
class TranslationParameters(InferenceParameters):
    """The parameters of `transformers` for translation."""

    src_lang: str | None = None
    """The language of the text; it has to be the model's."""
    tgt_lang: str | None = None
    """The language to translate to; it has to be the model's."""
    clean_up_tokenization_spaces: Ignored = None
    truncation: Ignored = None
    generate_parameters: Annotated[Any, WithJsonSchema({"type": "object"})] = None
    """More of these parameters; those beside it hold."""

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        nested = document.get("generate_parameters") or {}
        if not isinstance(nested, dict):
            raise invalid("generate_parameters", nested, "an object is needed")
        given = {**nested, **document}
        for name in ("max_new_tokens", "max_length"):
            if isinstance(given.get(name), int | float):
                given[name] = min(given[name], _LONGEST)
        return given


class TranslationInference(Inference):
    """A request for a translation."""

    inputs: Annotated[str, Needed("text is needed")]
    """A text."""
    parameters: TranslationParameters | None = None


async def infer(request: Request, engine: Engine, checkpoint: TranslatorCheckpoint) -> list[HuggingFaceTranslation]:
    """The translations of a text."""
    asked = await read_body(request, TranslationInference)
    parameters = asked.parameters or parse(TranslationParameters, {})
    worker: TranslatorWorker = engine.worker(checkpoint)
    with errors_in_terms_of({"text": "inputs", "source": "src_lang", "target": "tgt_lang"}):
        find_translator(engine, checkpoint.name, parameters.src_lang, parameters.tgt_lang)
        texts = read_texts(worker.translator, [asked.inputs])
    decoding = checkpoint.config.decoding.model_copy(update=parameters.given(TranslationDecodingConfig))
    (found,) = await translate(request, worker, texts, decoding)
    return [HuggingFaceTranslation(translation_text=translation.text) for translation in found]


HANDLER = Handler(TranslationInference, infer, "a translator takes text", list[HuggingFaceTranslation])
