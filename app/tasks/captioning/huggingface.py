"""Hugging Face's image-to-text: a picture in, captions out."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import WithJsonSchema, model_validator

from app.http.body import Needed, overrides, parse
from app.http.fields import errors_in_terms_of, invalid
from app.http.requests import body_of, is_object, parse_body, picture_of, while_connected
from app.serving.engine import Engine
from app.tasks.captioning.parameters import CaptionerCheckpoint, decoding_over
from app.tasks.captioning.service import PictureJob
from app.tasks.huggingface import GeneratedText, Handler, Inference, InferenceParameters
from model.tasks.captioning.config import DecodingConfig

_LONGEST = 100
"""The upper bound of `DecodingConfig.max_length`; callers who ask for 250 tokens mean a bound."""
NAMES = {
    "num_beams": "beam_size",
    "num_return_sequences": "num_captions",
    "max_new_tokens": "max_length",
    "max_length": "max_length",
    "min_new_tokens": "min_length",
    "min_length": "min_length",
    "length_penalty": "length_penalty",
    "diversity_penalty": "diversity",
    "no_repeat_ngram_size": "block_ngram",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "seed": "seed",
}
"""Parameters of `transformers` that captioners have -> their names in `DecodingConfig`."""


@overrides(DecodingConfig, NAMES)
class CaptionParameters(InferenceParameters):
    """The parameters of `transformers` for image-to-text."""

    do_sample: bool | None = None
    """True draws words at random; false searches, greedily with one beam."""
    generation_parameters: Annotated[Any, WithJsonSchema({"type": "object"})] = None
    """More of these parameters; those beside it hold."""

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        nested = document.get("generation_parameters") or {}
        if not isinstance(nested, dict):
            raise invalid("generation_parameters", nested, "an object is needed")
        given = {**nested, **document}
        for name in ("max_new_tokens", "max_length"):
            if isinstance(given.get(name), int | float):
                given[name] = min(given[name], _LONGEST)
        return given

    def decoding(self, defaults: DecodingConfig) -> DecodingConfig:
        """The search that the parameters ask for. A length beyond the model's own changes nothing.

        Raises:
            Refusal: names the parameter that is at odds with another.
        """
        given = self.given(DecodingConfig)
        if given.get("max_length", 0) > defaults.max_length:
            del given["max_length"]
        if self.do_sample is not None:
            search = "greedy" if given.get("beam_size") == 1 else "beam"
            given["method"] = "sample" if self.do_sample else search
        asked = {ours: theirs for theirs, ours in NAMES.items() if theirs in self.model_fields_set}
        with errors_in_terms_of({ours: theirs for theirs, ours in reversed(NAMES.items())} | asked):
            return decoding_over(defaults, given)


class CaptionInference(Inference):
    """A request for captions in JSON."""

    inputs: Annotated[str, Needed("base64 of a picture is needed")]
    """Base64 of a picture."""
    parameters: CaptionParameters | None = None


async def infer(request: Request, engine: Engine, checkpoint: CaptionerCheckpoint) -> list[GeneratedText]:
    """Captions of a picture that is the bare body, or stands in JSON."""
    picture, parameters = await body_of(request), parse(CaptionParameters, {})
    if is_object(picture):  # no picture begins as one
        asked = await parse_body(request, picture, CaptionInference)
        parameters = asked.parameters or parameters
        picture = await picture_of(request, asked.inputs, "inputs")
        del asked
    decoding = parameters.decoding(checkpoint.config.decoding)
    (task,) = engine.worker(checkpoint).submit([PictureJob(picture, decoding)])
    del picture  # the worker lets go of it once it is decoded
    answer = await while_connected(request, task)
    return [GeneratedText(generated_text=caption.text) for caption in answer.captions]


HANDLER = Handler(CaptionInference, infer, "a captioner takes a picture's bytes, or base64 of them in JSON")
