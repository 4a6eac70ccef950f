"""The common parts of the contracts that OpenAI defined."""

from pydantic import BaseModel, ConfigDict

from app.http.schema import Schema


class StreamOptions(BaseModel):
    """Options of a stream."""

    model_config = ConfigDict(strict=True, frozen=True)

    include_usage: bool = False


class CompletionUsage(Schema):
    """Tokens, which are characters or words: /v1/models says which, for each language model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
