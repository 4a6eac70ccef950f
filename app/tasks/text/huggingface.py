"""Hugging Face's text-generation: a prompt in, its continuation out, as text-generation-inference answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field
from starlette.types import Scope

from app.errors import Refusal
from app.http.body import Needed, overrides, parse
from app.http.contract import TEXT_BYTES
from app.http.errors import tell
from app.http.events import EventStream, event
from app.http.fields import errors_in_terms_of, invalid
from app.http.requests import read_body, while_connected
from app.serving.engine import Engine
from app.tasks.huggingface import GeneratedText, Handler, Inference, InferenceParameters
from app.tasks.text.generation import Generation, TextRequest, Update
from app.tasks.text.request import MAX_CHOICES, limited, text_requests
from model.checkpoint import Checkpoint
from model.tasks.text.config import GenerationConfig, LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.prompt import Token
from model.vocabulary import EOS, SPECIALS, Vocabulary

NAMES = {
    "max_new_tokens": "max_tokens",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "repetition_penalty": "repetition_penalty",
    "stop": "stop",
    "stop_sequences": "stop",
    "seed": "seed",
}
"""Parameters of `transformers` that language models have -> their names in `GenerationConfig`."""
_LIMITS = {"max_tokens": "max_new_tokens", "n": "num_return_sequences", "logprobs": "top_n_tokens", "prompt": "inputs"}
"""Names that `text_requests` uses in refusals -> the parameters here."""


@overrides(GenerationConfig, NAMES)
class TextParameters(InferenceParameters):
    """The parameters of `transformers` for text-generation."""

    num_return_sequences: Annotated[int, Field(ge=1, le=MAX_CHOICES)] = 1
    """Texts to return."""
    top_n_tokens: Annotated[int, Field(ge=0, le=5)] | None = None
    """Also return this many likeliest tokens in the place of each."""
    return_full_text: bool | None = None
    """Whether the text begins with the prompt, as it does by default."""
    details: bool | None = None
    """Whether to return the tokens."""
    decoder_input_details: bool | None = None
    """Whether to return the prompt's tokens, with `details`."""
    do_sample: bool | None = None
    """False takes the likeliest token each time."""


class TextInference(Inference):
    """A request for text."""

    inputs: Annotated[str, Needed("text is needed")]
    """A prompt."""
    parameters: TextParameters | None = None


async def infer(
    request: Request, engine: Engine, checkpoint: Checkpoint[LanguageModelConfig, LanguageModel]
) -> list[GeneratedText] | EventStream:
    """The continuation of a prompt, whole or token by token."""
    asked = await read_body(request, TextInference, TEXT_BYTES)
    parameters = asked.parameters or parse(TextParameters, {})
    overridden = parameters.given(GenerationConfig) | ({"temperature": 0.0} if parameters.do_sample is False else {})
    generation = limited(checkpoint.config.generation, engine.settings).model_copy(update=overridden)
    scored = parameters.top_n_tokens
    if scored is None and (parameters.details or asked.stream):
        scored = 0
    with errors_in_terms_of(_LIMITS):
        texts = text_requests(
            [asked.inputs],
            generation,
            engine.settings,
            n=parameters.num_return_sequences,
            logprobs=scored,
            echo=bool(parameters.decoder_input_details),
            whole=parameters.return_full_text is not False,
        )
    if asked.stream and len(texts) > 1:
        raise invalid("num_return_sequences", len(texts), "a stream has one text")
    worker = engine.worker(checkpoint)
    answer = _Answer(parameters, texts[0], worker.vocabulary)
    writing = worker.generate(texts, request.state.client)
    if asked.stream:
        return EventStream(answer.events(writing, request.scope), writing)
    with writing:
        updates = await while_connected(request, writing.whole())
    return [answer.whole(update) for _, update in sorted(updates.items())]


@dataclass(frozen=True)
class _Answer:
    """Updates of a text in the words of text-generation-inference."""

    parameters: TextParameters
    text: TextRequest
    """One of the texts that are written; they differ in their random numbers alone."""
    vocabulary: Vocabulary
    """The model's, which numbers the tokens."""

    def whole(self, update: Update) -> GeneratedText:
        """One of the texts, from all its updates in one."""
        answer: dict[str, Any] = {"generated_text": self._full(update.text)}
        if self.parameters.details:
            details = self._summary(update) | {"prefill": [self._token(token) for token in update.stream.prompt]}
            details["tokens"] = [self._token(token) for token in update.tokens]
            if self.parameters.top_n_tokens:
                details["top_tokens"] = [self._top(token) for token in update.tokens]
            answer["details"] = details
        return GeneratedText.model_validate(answer)

    async def events(self, generation: Generation, scope: Scope) -> AsyncIterator[bytes]:
        """An event for each token; the last has the whole text too. An error takes the place of the rest."""
        count, text = 0, ""
        try:
            async for updates in generation:
                (update,) = updates.values()
                text += update.text
                tokens = update.tokens
                if update.finish_reason and not tokens:  # all is told, but for its end
                    tokens = [Token(SPECIALS[EOS], 0.0)]
                for place, token in enumerate(tokens, start=1):
                    count += 1
                    told = {"index": count, "token": self._token(token), "generated_text": None, "details": None}
                    if self.parameters.top_n_tokens:
                        told["top_tokens"] = self._top(token)
                    if update.finish_reason and place == len(tokens):
                        told["generated_text"] = self._full(text)
                        if self.parameters.details:
                            told["details"] = self._summary(update) | {"input_length": update.stream.prompt_tokens}
                    yield event(told)
        except Refusal as error:
            yield event(tell(error, scope)[1])

    def _full(self, text: str) -> str:
        return text if self.parameters.return_full_text is False else self.text.prompt + text

    def _summary(self, update: Update) -> dict[str, Any]:
        return {
            "finish_reason": "length" if update.finish_reason == "length" else "stop_sequence",
            "generated_tokens": update.stream.written,
            "seed": self.text.generation.seed,
        }

    def _token(self, token: Token) -> dict[str, Any]:
        (number,) = self.vocabulary.encode([token.text])
        return {"id": number, "text": token.text, "logprob": token.logprob, "special": number < len(SPECIALS)}

    def _top(self, token: Token) -> list[dict[str, Any]]:
        return [self._token(Token(text, logprob)) for text, logprob in token.alternatives]


HANDLER = Handler(TextInference, infer, "a language model takes text")
