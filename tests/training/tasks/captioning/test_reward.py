"""Rewards against pycocoevalcap's own scorers, and what the end token is for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

from model.vocabulary import EOS, Vocabulary, tokenize
from training.tasks.captioning.examples import caption_vocabulary
from training.tasks.captioning.readers import CaptionedImage, open_dataset
from training.tasks.captioning.reward import Bleu4, CiderD, Reward

sentences = st.lists(st.sampled_from(["a", "dog", "cat", "runs", "the", "on", "red"]), max_size=9)
captioned = st.lists(
    st.tuples(st.lists(sentences.filter(bool), min_size=1, max_size=4), sentences), min_size=1, max_size=5
)


def theirs(references: list[list[list[str]]], captions: list[list[str]]) -> tuple[list[float], list[float]]:
    """CIDEr and sentence BLEU-4 of one caption a picture."""
    keyed = {number: [" ".join(sentence) for sentence in group] for number, group in enumerate(references)}
    candidates = {number: [" ".join(caption)] for number, caption in enumerate(captions)}
    cider = Cider().compute_score(keyed, candidates)[1]
    bleu = Bleu(4).compute_score(keyed, candidates, verbose=0)[1][3]
    return list(cider), bleu


@given(captioned)
def test_rewards_are_those_of_cocoevalcap(pictures: list[tuple[list[list[str]], list[str]]]) -> None:
    references, captions = [group for group, _ in pictures], [caption for _, caption in pictures]
    cider, bleu = theirs(references, captions)
    ours = CiderD(references)
    assert [ours(number, [caption])[0] for number, caption in enumerate(captions)] == pytest.approx(cider, abs=1e-9)
    other = Bleu4(references)
    assert [other(number, [caption])[0] for number, caption in enumerate(captions)] == pytest.approx(bleu, abs=1e-9)


@pytest.mark.data
def test_rewards_of_real_captions_are_those_of_cocoevalcap(flickr8k: Path) -> None:
    """Each picture gets a caption of the next, in numbers, with end tokens and words that the vocabulary lacks."""
    train = open_dataset(flickr8k).split("train")[:300]
    vocabulary = caption_vocabulary(train, 5)
    reward = Reward(train, vocabulary, bleu_weight=0.5, end_token=True)
    words = [[[*tokenize(caption), "<eos>"] for caption in image.captions] for image in train]
    captions = [words[(number + 1) % len(words)][0] for number in range(len(words))]
    captions = [[word for word in caption if word in vocabulary] for caption in captions]
    cider, bleu = theirs(words, captions)
    expected = [one + 0.5 * other for one, other in zip(cider, bleu, strict=True)]
    found = [reward(number, [vocabulary.encode(caption)])[0] for number, caption in enumerate(captions)]
    assert max(expected) > 1
    assert found == pytest.approx(expected, abs=1e-6)


def pictures(*captions: str) -> list[CaptionedImage]:
    return [CaptionedImage(Path(f"{number}.jpg"), "train", (caption,)) for number, caption in enumerate(captions)]


def test_the_end_token_makes_breaking_off_costly() -> None:
    train = pictures("A man rides a bike", "A dog runs on grass", "A boy swims in a pool")
    vocabulary = Vocabulary.build([tokenize(image.captions[0]) for image in train])
    whole, broken = (vocabulary.encode(tokenize(text)) for text in ("a man rides a bike", "a man rides a"))
    with_end = Reward(train, vocabulary, bleu_weight=0, end_token=True)
    without = Reward(train, vocabulary, bleu_weight=0, end_token=False)
    for reward in (with_end, without):
        assert reward(0, [[*whole, EOS]]) == pytest.approx([10])
    (ended,), (cut,) = with_end(0, [[*broken, EOS]]), with_end(0, [broken])
    assert ended < cut < 10, "'a <eos>' is said of no picture"
    assert without(0, [[*broken, EOS]]) == pytest.approx(without(0, [broken]))
    assert without(0, [broken])[0] > ended


def test_words_that_the_vocabulary_lacks_count_in_references() -> None:
    said = ("A man rides a unicycle", "A dog runs", "A man runs")
    vocabulary = Vocabulary.build([tokenize(text) for text in said[1:]])
    reward = Reward(pictures(*said), vocabulary, bleu_weight=0, end_token=True)
    words = [[[*tokenize(text), "<eos>"]] for text in said]
    captions = [["a", "man", "runs", "<eos>"], *(group[0] for group in words[1:])]
    cider, _ = theirs(words, captions)
    assert reward(0, [vocabulary.encode(captions[0])]) == pytest.approx(cider[:1])
    assert 0 < cider[0] < 10


def test_captions_of_a_picture_are_scored_each_on_its_own() -> None:
    train = pictures("A man rides a bike", "A dog runs on grass")
    vocabulary = Vocabulary.build([tokenize(image.captions[0]) for image in train])
    reward = Reward(train, vocabulary, bleu_weight=1, end_token=True)
    captions = [[*vocabulary.encode(tokenize(text)), EOS] for text in ("a dog runs", "grass", "", "a man on grass")]
    together = reward(1, captions)
    assert together == pytest.approx([score for caption in captions for score in reward(1, [caption])])
    assert len({round(score, 6) for score in together}) == 4
