"""Answers about intents, and the cards of classifiers."""

from typing import Annotated, Any, Literal, Self

from app.http.schema import UNLESS_NONE, ModelCard, ModelInfo, Schema
from app.tasks.intents.service import IntentJob
from model.tasks.intents.classifier import Answer
from model.tasks.intents.explanation import WordEffect


class RankedIntent(Schema):
    """An intent and its probability."""

    intent: str
    title: str
    """Words for people: `Asking for the time`."""
    confidence: float


class Prediction(RankedIntent):
    """The intent of a text: the likeliest, or `out_of_scope`, with the probability that this is right."""

    in_scope: bool
    """False if the likeliest intent is less probable than the model's threshold."""

    @classmethod
    def of(cls, answer: Answer) -> Self:
        best = answer.best
        return cls(intent=best.intent, title=best.title, confidence=best.confidence, in_scope=answer.in_scope)


class ExplainedWord(Schema):
    """A word's part in the intent."""

    word: str
    """The word as it is read: in lower case, without punctuation."""
    known: bool
    """Whether the vocabulary has it; of others only the characters are read."""
    effect: float
    """Probability of the likeliest intent, less what it is without the word."""
    after: list[RankedIntent]
    """The ranking of the text up to this word."""
    without: Prediction | None
    """The answer to the text without it; null if it is the only word."""

    @classmethod
    def of(cls, effect: WordEffect, top: int) -> Self:
        return cls(
            word=effect.word,
            known=effect.known,
            effect=effect.effect,
            after=ranking(effect.after, top),
            without=Prediction.of(effect.without) if effect.without else None,
        )


class IntentResult(Prediction):
    """A text and its intent."""

    text: str
    """The text that was sent."""
    ranking: list[RankedIntent]
    """The likeliest intents, whether or not the text is in scope."""
    explanation: Annotated[list[ExplainedWord] | None, UNLESS_NONE] = None
    """Its words, in order; only with explain=true."""

    @classmethod
    def about(cls, job: IntentJob, top: int) -> Self:
        """The result of a job, with so many intents in its ranking."""
        return cls(
            text=job.text,
            **Prediction.of(job.answer).model_dump(),
            ranking=ranking(job.answer, top),
            explanation=None if job.effects is None else [ExplainedWord.of(effect, top) for effect in job.effects],
        )


class IntentResponse(Schema):
    """The intents of some texts."""

    id: str
    model: ModelInfo
    results: list[IntentResult]
    """In the order in which the texts were sent."""
    timing_ms: float


class Classification(Schema):
    """An intent in Hugging Face's words."""

    label: str
    """Name of an intent; `out_of_scope` comes first if the text has none of them."""
    score: float


class IntentCard(ModelCard):
    """A model that tells what is asked for."""

    task: Literal["text-classification"] = "text-classification"
    """Hugging Face's name of the task."""
    cell: str
    """Kind of its recurrent layers."""
    num_layers: int
    hidden_size: int
    """Units in each direction."""
    threshold: float
    """Least probability of the likeliest intent for a text to be in scope."""


def ranking(answer: Answer, top: int) -> list[RankedIntent]:
    """The likeliest intents of an answer."""
    return [RankedIntent.model_validate(ranked) for ranked in answer.ranking[:top]]


def as_json(job: IntentJob, top: int) -> dict[str, Any]:
    """A result as the command prints it."""
    return IntentResult.about(job, top).model_dump()
