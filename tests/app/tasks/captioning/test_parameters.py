"""A model's defaults, and the parameters that a caller gives."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.errors import Refusal
from app.http.errors import status_of
from app.tasks.captioning.parameters import decoding_over
from model.tasks.captioning.config import DecodingConfig

PARTS: dict[str, st.SearchStrategy[Any]] = {
    "method": st.sampled_from(["greedy", "beam", "sample"]),
    "beam_size": st.integers(1, 10),
    "num_captions": st.integers(1, 10),
    "max_length": st.integers(1, 100),
    "min_length": st.integers(0, 100),
}


def is_valid(values: dict[str, Any]) -> bool:
    try:
        DecodingConfig.model_validate(values)
    except ValidationError:
        return False
    return True


DEFAULTS = st.fixed_dictionaries(PARTS).filter(is_valid).map(DecodingConfig.model_validate)
GIVEN = st.fixed_dictionaries({}, optional=PARTS)


@given(DEFAULTS, GIVEN)
def test_default_gives_way_to_what_is_given(defaults: DecodingConfig, given: dict[str, Any]) -> None:
    # At odds with itself: where no other value of a number that was not given could save it.
    roomy = {"method": defaults.method, "beam_size": 10, "num_captions": 1, "min_length": 0, "max_length": 100}
    if not is_valid({**roomy, **given}):
        with pytest.raises(Refusal) as caught:
            decoding_over(defaults, given)
        assert status_of(caught.value) == 422
        assert caught.value.field in given
        return
    found = decoding_over(defaults, given)
    assert {name: getattr(found, name) for name in given} == given
    if is_valid({**defaults.model_dump(), **given}):  # a default gives way only where it must
        assert found == DecodingConfig.model_validate({**defaults.model_dump(), **given})


@given(DEFAULTS)
def test_defaults_hold_where_nothing_is_given(defaults: DecodingConfig) -> None:
    assert decoding_over(defaults, {}) == defaults
