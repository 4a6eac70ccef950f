"""Uploads from query, form and JSON."""

import pytest

from app.errors import Refusal
from app.http.requests import merge
from app.tasks.captioning.parameters import CaptionParameters


def test_sources_are_merged() -> None:
    assert merge(CaptionParameters, [("seed", "3"), ("prefix", "")], [("seed", 3), ("top_k", None)]) == {
        "seed": 3,
        "prefix": "",
    }
    assert merge(CaptionParameters, [("attention", "true"), ("top_k", "")], [("attention", True)]) == {
        "attention": True
    }
    with pytest.raises(Refusal, match="did you mean temperature"):
        merge(CaptionParameters, [("temprature", 1)])
    with pytest.raises(Refusal, match="there are image, model"):
        merge(CaptionParameters, [("zzz", 1)])
