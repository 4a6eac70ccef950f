"""Hugging Face's text-classification: a text in, labels with scores out, in a list of lists."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import Field

from app.http.body import Needed, Unsupported, parse
from app.http.contract import TEXT_BYTES
from app.http.fields import errors_in_terms_of
from app.http.requests import read_body, while_connected
from app.serving.engine import Engine
from app.tasks.huggingface import Handler, Inference, InferenceParameters
from app.tasks.intents.schemas import Classification
from app.tasks.intents.service import IntentJob, check
from model.checkpoint import Checkpoint
from model.tasks.intents.classifier import IntentClassifier
from model.tasks.intents.config import IntentConfig


class ClassificationParameters(InferenceParameters):
    """The parameters of `transformers` for text-classification."""

    top_k: Annotated[int, Field(ge=1, le=1000)] = 5
    """Most labels to return."""
    function_to_apply: Annotated[Any, Unsupported("scores are probabilities", ("softmax",))] = None


class ClassificationInference(Inference):
    """A request for intents."""

    inputs: Annotated[str, Needed("text is needed")]
    """A text."""
    parameters: ClassificationParameters | None = None


async def infer(
    request: Request, engine: Engine, checkpoint: Checkpoint[IntentConfig, IntentClassifier]
) -> list[list[Classification]]:
    """The likeliest intents of a text. The client takes the first element alone of a list that is not nested."""
    asked = await read_body(request, ClassificationInference, TEXT_BYTES)
    parameters = asked.parameters or parse(ClassificationParameters, {})
    with errors_in_terms_of({"text": "inputs"}):
        job = IntentJob(check(asked.inputs))
    (task,) = engine.worker(checkpoint).submit([job])
    answer = (await while_connected(request, task)).answer
    ranked = answer.ranking if answer.in_scope else (answer.best, *answer.ranking)
    return [[Classification(label=one.intent, score=one.confidence) for one in ranked[: parameters.top_k]]]


HANDLER = Handler(ClassificationInference, infer, "an intent classifier takes text", list[list[Classification]])
