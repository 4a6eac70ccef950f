"""Captions as sequences of numbers."""

from pathlib import Path

from model.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from training.tasks.captioning.examples import Example, caption_examples, caption_vocabulary, collate
from training.tasks.captioning.readers import CaptionedImage

IMAGES = (
    CaptionedImage(Path("0.jpg"), "train", ("A dog runs .", "A dog on the left .")),
    CaptionedImage(Path("1.jpg"), "train", ("A cat runs .",)),
)


def test_every_caption_is_an_example() -> None:
    vocabulary = caption_vocabulary(IMAGES, 2)
    assert vocabulary.words[4:] == ("a", "dog", "runs")
    assert caption_examples(IMAGES, vocabulary, 4) == [
        Example(0, (4, 5, 6), True),
        Example(0, (4, 5, UNK, UNK), False),  # cut to four words, and still known to say "left"
        Example(1, (4, UNK, 6), True),
    ]


def test_inputs_and_targets_are_a_word_apart() -> None:
    inputs, targets = collate([Example(0, (7,), True), Example(1, (7, 8, 9), True)])
    assert inputs.tolist() == [[BOS, 7, PAD, PAD], [BOS, 7, 8, 9]]
    assert targets.tolist() == [[7, EOS, PAD, PAD], [7, 8, 9, EOS]]


def test_the_vocabulary_is_the_training_captions() -> None:
    assert caption_vocabulary(IMAGES, 1) == Vocabulary.build(
        [["a", "a", "a", "dog", "dog", "runs", "runs"], ["cat", "left", "on", "the"]]
    )
