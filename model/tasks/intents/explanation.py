"""The part that each word of a text has in its intent: the ranking after it, and the ranking without it."""

from dataclasses import dataclass

from model.tasks.intents.classifier import Answer, IntentClassifier, Sentence
from model.vocabulary import tokenize

MAX_WORDS = 64
"""Most words of a text that is explained: it takes twice as many texts as it has words."""


@dataclass(frozen=True)
class WordEffect:
    """A word of a text."""

    word: str
    known: bool
    """Whether the vocabulary has it; of others only the characters are read."""
    after: Answer
    """The answer to the text up to this word."""
    without: Answer | None
    """The answer to the text without it; None if it is the only one."""
    effect: float
    """Probability of the text's likeliest intent, less what it is without the word."""


def explain(model: IntentClassifier, text: str) -> list[WordEffect]:
    """The words of a text in order; there are none in a text that has no word."""
    words = tokenize(text)
    if not words:
        return []
    whole = model.encode(text)
    size = len(words)
    begun = [Sentence(whole.words[:end], whole.spellings[:end]) for end in range(1, size + 1)]
    places = [[place for place in range(size) if place != left] for left in range(size)] if size > 1 else []
    answers = model.answers([*begun, *(Sentence(whole.words[kept], whole.spellings[kept]) for kept in places)])
    after, without = answers[:size], [*answers[size:], *([None] * (size - len(places)))]
    likeliest = after[-1].ranking[0]
    effects = []
    for word, then, other in zip(words, after, without, strict=True):
        left = other.probability(likeliest.intent) if other else 0.0
        effects.append(WordEffect(word, word in model.vocabulary, then, other, likeliest.confidence - left))
    return effects
