"""A request for text, in whatever dialect it came, as the texts to write."""

from collections.abc import Sequence

from app.errors import Refusal
from app.http.body import Body, overrides
from app.http.fields import invalid
from app.settings import Settings
from app.tasks.text.generation import TextRequest
from model.tasks.text.config import GenerationConfig

MAX_CHOICES = 128
"""Most texts of one request, prompts times n: OpenAI's limit for n."""
MAX_SCORED = 20_000
"""Most tokens of one request that can have log-probabilities, which take a hundred times the room of their text."""


@overrides(GenerationConfig)
class GenerationParameters(Body):
    """Parameters of drawing a text; the model has defaults for those that are not given."""

    def over(self, defaults: GenerationConfig) -> GenerationConfig:
        """The model's defaults with what was given."""
        return defaults.model_copy(update=self.given(GenerationConfig))


def text_requests(
    prompts: Sequence[str],
    generation: GenerationConfig,
    settings: Settings,
    *,
    n: int,
    logprobs: int | None,
    echo: bool,
    whole: bool,
) -> list[TextRequest]:
    """The texts to write, n for each prompt, in the order of their indices.

    Args:
        prompts: one or more.
        generation: how to draw each text.
        settings: the operator's limits.
        n: texts for each prompt.
        logprobs: alternatives to report with each token; None reports no tokens.
        echo: whether the prompt's tokens are reported too.
        whole: whether each text begins with its prompt.

    Raises:
        Refusal: it is too much for one request.
    """
    texts = len(prompts) * n
    if texts > MAX_CHOICES:
        message = f"{len(prompts):,} prompts, {n} texts each: at most {MAX_CHOICES} texts fit into a request"
        raise Refusal("invalid_parameter", message, "prompt" if n == 1 else "n")
    if generation.max_tokens > settings.max_tokens:
        raise invalid("max_tokens", generation.max_tokens, f"at most {settings.max_tokens:,} are written here")
    length = sum(map(len, prompts))
    if length > settings.max_prompt_chars:
        message = f"the prompt has {length:,} characters; at most {settings.max_prompt_chars:,} are read"
        raise Refusal("prompt_too_long", message, "prompt")
    if whole and n * length > settings.max_prompt_chars:
        message = (
            f"{n} texts would begin with a prompt of {length:,} characters; at most {settings.max_prompt_chars:,} fit"
        )
        raise Refusal("prompt_too_long", message, "prompt")
    if logprobs is not None:
        scored = texts * generation.max_tokens + n * length * echo
        if scored > MAX_SCORED:
            most = f"at most {MAX_SCORED:,} fit into a request"
            message = f"log-probabilities of up to {scored:,} tokens are asked for; {most}"
            raise Refusal("invalid_parameter", message, "logprobs")
    return [
        TextRequest(prompt, generation, choice, logprobs, prompt_logprobs=echo and logprobs is not None)
        for prompt in prompts
        for choice in range(n)
    ]


def limited(defaults: GenerationConfig, settings: Settings) -> GenerationConfig:
    """The model's defaults, cut to the operator's limit; a caller who asks for more is refused instead."""
    return defaults.model_copy(update={"max_tokens": min(defaults.max_tokens, settings.max_tokens)})
