"""A picture to sentences, through the whole model."""

import math

import pytest
from PIL import Image

from model.tasks.captioning.captioner import Captioner, UnknownPrefixError
from model.tasks.captioning.config import DecodingConfig


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_a_batch_gives_what_batches_of_one_give(
    tiny_captioner: Captioner, pictures: list[Image.Image], method: str
) -> None:
    decoding = DecodingConfig.model_validate({"method": method, "num_captions": 1 if method == "greedy" else 3})
    together = tiny_captioner.caption(pictures, decoding)
    for picture, captions in zip(pictures, together, strict=True):
        (alone,) = tiny_captioner.caption([picture], decoding)
        assert [caption.text for caption in captions] == [caption.text for caption in alone]
        for caption, other in zip(captions, alone, strict=True):
            assert caption.logprob == pytest.approx(other.logprob, rel=1e-4)


def test_a_caption_is_the_sum_of_its_words(tiny_captioner: Captioner, pictures: list[Image.Image]) -> None:
    decoding = DecodingConfig(num_captions=3, max_length=6)
    for captions in tiny_captioner.caption(pictures, decoding, attention=True):
        assert [caption.logprob for caption in captions] == sorted((c.logprob for c in captions), reverse=True)
        for caption in captions:
            assert caption.text == " ".join(token.text for token in caption.tokens)
            said = sum(token.logprob for token in caption.tokens)
            length = len(caption.tokens) + (caption.finish_reason == "stop")
            assert caption.logprob <= said + 1e-6
            assert caption.confidence == pytest.approx(math.exp(caption.logprob / length))
            assert (len(caption.tokens) == 6) == (caption.finish_reason == "length")
            for token in caption.tokens:
                assert token.attention is not None
                assert [len(row) for row in token.attention] == [2, 2]  # 64 pixels at stride 32
                assert sum(map(sum, token.attention)) == pytest.approx(1, abs=1e-5)


def test_no_attention_unless_asked_for(tiny_captioner: Captioner, picture: Image.Image) -> None:
    ((caption,),) = tiny_captioner.caption([picture])
    assert all(token.attention is None for token in caption.tokens)


def test_prefix(tiny_captioner: Captioner, picture: Image.Image) -> None:
    ((caption,),) = tiny_captioner.caption([picture], DecodingConfig(prefix="A black dog"))
    assert caption.text.startswith("a black dog")
    with pytest.raises(UnknownPrefixError, match="lacks 'zebra'"):
        tiny_captioner.caption([picture], DecodingConfig(prefix="a zebra"))


def test_no_pictures_no_captions(tiny_captioner: Captioner) -> None:
    assert tiny_captioner.caption([]) == []
