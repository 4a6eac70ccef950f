"""What is told of a search while it runs, against what it ends with."""

from collections import defaultdict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from model.decoding.observers import BeamTree, TreeObserver, WordObserver
from model.tasks.captioning.captioner import Caption, Captioner, Word
from model.tasks.captioning.config import CaptionerConfig, DecoderConfig, DecodingConfig
from model.vocabulary import Vocabulary, detokenize

PICTURES = 3
SEEDS = st.integers(0, 10_000)
BEAMS = st.builds(
    lambda beams, captions, **rest: DecodingConfig(beam_size=beams, num_captions=min(beams, captions), **rest),
    beams=st.integers(1, 5),
    captions=st.integers(1, 3),
    length_penalty=st.sampled_from([0.0, 0.7, 1.0, 2.0]),
    diversity=st.sampled_from([0.0, 0.0, 0.5]),
    block_ngram=st.integers(0, 2),
    min_length=st.integers(0, 4),
    max_length=st.integers(4, 12),
    prefix=st.sampled_from(["", "w3", "w1 w2"]),
)


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    """Random weights, and nine words of which it is neither certain nor quite uncertain."""
    config = CaptionerConfig(decoder=DecoderConfig(embedding_size=8, hidden_size=16, attention_size=4, dropout=0.0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        captioner = Captioner(config, Vocabulary.build([[f"w{number}" for number in range(9)]]))
    captioner.eval().requires_grad_(False)
    captioner.decoder.output.weight.mul_(60)
    return captioner


def watch(
    captioner: Captioner, grid: int | Tensor, decoding: DecodingConfig, **options: Any
) -> tuple[list[list[Caption]], list[dict[int, list[tuple[Word, int]]]], list[BeamTree]]:
    """Captions of grids, else random ones; the words told of each, with the step they were told at; and the trees."""
    if isinstance(grid, int):
        grid = torch.randn(PICTURES, 4, 1280, generator=torch.Generator().manual_seed(grid))
    steps = 0

    class Counter:
        def step(self, *_: object) -> None:
            nonlocal steps
            steps += 1

        def end(self, *_: object) -> None:
            pass

    told: list[dict[int, list[tuple[Word, int]]]] = [defaultdict(list) for _ in range(len(grid))]

    def word_observer(picture: int) -> WordObserver[Word]:
        def tell(caption: int, place: int, token: Word) -> None:
            assert place == len(told[picture][caption])
            told[picture][caption].append((token, steps))

        return WordObserver(captioner.words, picture, draws=decoding.method == "sample", tell=tell)

    words = [word_observer(picture) for picture in range(len(grid))]
    trees = [TreeObserver(captioner.vocabulary, picture) for picture in range(len(grid))]
    captions = captioner.generate(grid, decoding, observers=[*words, *trees, Counter()], **options)
    return captions, told, [tree.tree for tree in trees]


@given(seed=SEEDS, decoding=BEAMS)
@settings(max_examples=60)
def test_words_told_early_are_the_words_of_the_caption(
    captioner: Captioner, seed: int, decoding: DecodingConfig
) -> None:
    captions, told, _ = watch(captioner, seed, decoding)
    for found, words in zip(captions, told, strict=True):
        assert sorted(words) == [number for number, caption in enumerate(found) if caption.tokens]
        for number, caption in enumerate(found):
            assert tuple(token for token, _ in words[number]) == caption.tokens


def test_words_of_a_beam_are_told_before_it_ends(tiny_captioner: Captioner, pictures: list[Image.Image]) -> None:
    grid = tiny_captioner.encode(torch.stack([tiny_captioner.preprocess(picture) for picture in pictures]))
    captions, told, _ = watch(tiny_captioner, grid, DecodingConfig(beam_size=3))
    for (caption,), words in zip(captions, told, strict=True):
        assert detokenize(token.text for token, _ in words[0]) == caption.text
        times = [step for _, step in words[0]]
        assert times == sorted(times)
        assert times[len(times) // 3] < len(times)  # at least a third of them, before the last step


def test_a_greedy_caption_is_told_a_word_a_step(captioner: Captioner) -> None:
    captions, told, _ = watch(captioner, 0, DecodingConfig(method="greedy"), attention=True)
    for (caption,), words in zip(captions, told, strict=True):
        assert tuple(token for token, _ in words[0]) == caption.tokens
        assert all(token.attention for token in caption.tokens)
        assert [step for _, step in words[0]] == list(range(len(caption.tokens)))


@given(SEEDS)
@settings(max_examples=20)
def test_draws_are_told_a_word_a_step(captioner: Captioner, seed: int) -> None:
    decoding = DecodingConfig(method="sample", num_captions=3, seed=seed)
    captions, told, _ = watch(captioner, seed, decoding)
    for found, words in zip(captions, told, strict=True):
        drawn = [tuple(token for token, _ in words[number]) for number in range(3)]
        assert sorted(map(str, drawn)) == sorted(str(caption.tokens) for caption in found)
        for number in range(3):
            assert [step for _, step in words[number]] == list(range(len(drawn[number])))


@given(seed=SEEDS, decoding=BEAMS)
@settings(max_examples=60)
def test_the_tree_leads_to_the_captions(captioner: Captioner, seed: int, decoding: DecodingConfig) -> None:
    captions, _, trees = watch(captioner, seed, decoding)
    for found, tree in zip(captions, trees, strict=True):
        assert len(tree.sequences) == len(found)
        for place, caption in zip(tree.sequences, found, strict=True):
            node = tree.steps[-1][place]
            assert node.kept
            assert node.logprob == pytest.approx(caption.logprob, abs=1e-4)
            assert node.finished == (caption.finish_reason == "stop")
            words = []
            for step in reversed(tree.steps):
                node = step[place]
                assert node.kept
                if node.text is not None:
                    words.append(node.text)
                assert (node.parent is None) == (step is tree.steps[0])
                place = node.parent or 0
            assert detokenize(reversed(words)) == caption.text
        for step, after in zip(tree.steps, tree.steps[1:], strict=False):
            assert len(step) <= decoding.beam_size
            parents = [node.parent for node in after]
            for place, node in enumerate(step):
                assert node.kept == (place in parents)
            for node in after:
                assert node.parent is not None
                assert node.logprob <= step[node.parent].logprob + 1e-4
                assert node.finished >= step[node.parent].finished


def test_a_beam_of_one_word_has_no_other_hypotheses(captioner: Captioner) -> None:
    _, _, trees = watch(captioner, 0, DecodingConfig(beam_size=4, prefix="w1 w2", max_length=6))
    for tree in trees:
        assert [[node.text for node in step] for step in tree.steps[:2]] == [["w1"], ["w2"]]
        assert len(tree.steps[2]) == 4
