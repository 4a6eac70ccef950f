"""Parameters of decoding: what is refused, and the search that they become."""

import pytest

from model.decoding.search import Search
from model.tasks.captioning.config import DecodingConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_length": 9, "max_length": 5}, "min_length=9 is above max_length=5"),
        ({"method": "greedy", "num_captions": 2}, "greedy decoding gives one caption"),
        ({"num_captions": 4, "beam_size": 3}, "num_captions=4 is above beam_size=3"),
        ({"beam_size": 99}, "less than or equal to 10"),
        ({"beams": 3}, "Extra inputs are not permitted"),
    ],
)
def test_decoding_that_contradicts_itself_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecodingConfig.model_validate(options)


@pytest.mark.parametrize(
    ("decoding", "rows", "groups"),
    [
        (DecodingConfig(method="greedy"), 1, 1),
        (DecodingConfig(beam_size=5, num_captions=2), 5, 1),
        (DecodingConfig(beam_size=5, num_captions=2, diversity=0.5), 4, 2),
        (DecodingConfig(method="sample", num_captions=3, diversity=0.5), 3, 1),
    ],
)
def test_search_has_rows_and_groups_of_its_method(decoding: DecodingConfig, rows: int, groups: int) -> None:
    assert (decoding.search.rows_per_source, decoding.search.num_groups) == (rows, groups)


def test_search_takes_all_parameters_over() -> None:
    given = {
        "method": "sample",
        "beam_size": 7,
        "max_length": 31,
        "length_penalty": 0.3,
        "temperature": 0.9,
        "top_k": 11,
        "top_p": 0.8,
        "diversity": 0.2,
        "seed": 5,
    }
    found = DecodingConfig.model_validate({**given, "num_captions": 4, "min_length": 2, "block_ngram": 3}).search
    assert found == Search(**given, num_sequences=4)  # type: ignore[arg-type]
