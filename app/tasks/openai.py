"""What the contracts that OpenAI defined have in common."""

from pydantic import BaseModel, ConfigDict

from app.http.schema import Schema


class StreamOptions(BaseModel):
    """What else a stream should report."""

    model_config = ConfigDict(strict=True, frozen=True)

    include_usage: bool = False


class CompletionUsage(Schema):
    """Tokens, which are characters or words: /v1/models says which, for each language model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
