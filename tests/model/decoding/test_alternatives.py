"""The likeliest words in the place of each: what the network says there, whatever way the caption was found."""

import math

import pytest
import torch
from PIL import Image

from model.tasks.captioning.captioner import Caption, Captioner
from model.tasks.captioning.config import DecodingConfig

WAYS = (
    DecodingConfig(method="greedy"),
    DecodingConfig(beam_size=4, num_captions=3),
    DecodingConfig(method="sample", num_captions=2, seed=3, temperature=1.5),
    DecodingConfig(prefix="a black", neutral=True),
)


def generate(
    captioner: Captioner, pictures: list[Image.Image], decoding: DecodingConfig, top: int = 0
) -> list[list[Caption]]:
    grids = captioner.encode(torch.stack([captioner.preprocess(picture) for picture in pictures]))
    return captioner.generate(grids, decoding, top_logprobs=top)


@pytest.mark.parametrize("decoding", WAYS)
def test_each_word_stands_among_the_likeliest_where_it_is_one(
    tiny_captioner: Captioner, pictures: list[Image.Image], decoding: DecodingConfig
) -> None:
    plain = generate(tiny_captioner, pictures, decoding)
    told = generate(tiny_captioner, pictures, decoding, 5)
    among = 0
    for captions, others in zip(told, plain, strict=True):
        assert [caption.text for caption in captions] == [caption.text for caption in others]
        for caption in captions:
            for word in caption.tokens:
                assert word.top_logprobs is not None
                assert len(word.top_logprobs) == 5
                shares = [choice.logprob for choice in word.top_logprobs]
                assert shares == sorted(shares, reverse=True)
                assert sum(map(math.exp, shares)) <= 1 + 1e-5
                assert not {"<unk>", "<pad>", "<bos>", "<eos>"} & {choice.text for choice in word.top_logprobs}
                for choice in word.top_logprobs:
                    if choice.text == word.text:
                        assert choice.logprob == pytest.approx(word.logprob, abs=1e-4)
                        among += 1
                if decoding.method == "greedy":
                    assert word.top_logprobs[0].text == word.text
    assert among > len(pictures)


def test_a_prefix_with_an_alternative_goes_on_from_there(
    tiny_captioner: Captioner, pictures: list[Image.Image]
) -> None:
    greedy = DecodingConfig(method="greedy")
    ((caption,),) = generate(tiny_captioner, pictures[:1], greedy, 3)
    first, second = caption.tokens[:2]
    assert second.top_logprobs is not None
    other = next(choice for choice in second.top_logprobs if choice.text not in (None, second.text))
    beginning = greedy.model_copy(update={"prefix": f"{first.text} {other.text}"})
    ((anew,),) = generate(tiny_captioner, pictures[:1], beginning, 3)
    assert [word.text for word in anew.tokens[:2]] == [first.text, other.text]
    assert anew.tokens[1].logprob == pytest.approx(other.logprob, abs=1e-4)
    assert anew.tokens[1].top_logprobs is not None
    assert {choice.text for choice in anew.tokens[1].top_logprobs} == {choice.text for choice in second.top_logprobs}
