"""The statistics of a fixed table of made-up trials, against scipy and by hand; claims follow from the numbers."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from training.lab.odyssey.ledger import Row
from training.lab.odyssey.statistics import Comparison, best_tenth, claims, compare, holm, importances, welch

KINDS: dict[str, Callable[[str], Any]] = {"size": int, "number": int, "epoch": int, "epochs": int, "parameters": int}
KINDS |= dict.fromkeys(("task", "cell", "optimizer"), str)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """40 trials of six cells on two tasks: `lstm-nfg` and `lstm-noaf` are worse, the rate decides most."""
    with Path(__file__).with_name("trials.csv").open(newline="") as file:
        return [
            Row(**{name: KINDS.get(name, float)(value) for name, value in line.items()})
            for line in csv.DictReader(file)
        ]


def test_the_best_tenth_is_chosen_on_dev(rows: list[Row]) -> None:
    own = [row for row in rows if (row.task, row.cell) == ("phones", "gru")]
    tenth = best_tenth(own)
    assert len(tenth) == 4
    assert max(row.dev for row in tenth) < min(row.dev for row in own if row not in tenth)
    assert len(best_tenth(own[:41])) == 4
    assert len(best_tenth(own[:11])) == 2
    assert len(best_tenth(own[:3])) == 2


def test_comparisons_are_scipy_s(rows: list[Row]) -> None:
    found = {each.cell: each for each in compare(rows, "chorales")}
    assert set(found) == {"lstm-nfg", "lstm-noaf", "lstm-np", "lstm-cifg", "gru"}
    tenths = {
        cell: [
            row.held
            for row in sorted((r for r in rows if (r.task, r.cell) == ("chorales", cell)), key=lambda r: r.dev)[:4]
        ]
        for cell in (*found, "lstm-peephole")
    }
    base = tenths["lstm-peephole"]
    for cell, each in found.items():
        expected = stats.ttest_ind(tenths[cell], base, equal_var=False)
        interval = expected.confidence_interval(0.95)
        assert each.p == pytest.approx(expected.pvalue)
        assert (each.low, each.high) == pytest.approx((interval.low, interval.high))
        assert each.difference == pytest.approx(np.mean(tenths[cell]) - np.mean(base))
        shifted = [score - 0.02 * np.mean(base) for score in tenths[cell]]
        margin = stats.ttest_ind(shifted, base, equal_var=False, alternative="less")
        assert each.p_costs_nothing == pytest.approx(margin.pvalue)
    assert found["lstm-nfg"].worse
    assert not found["gru"].worse


def test_welch_of_what_never_varies() -> None:
    assert welch([1, 1], [1, 1]) == (1.0, 0.5, 0.0, 0.0)
    assert welch([2, 2], [1, 1]) == (0.0, 1.0, 1.0, 1.0)
    assert welch([1, 1], [1, 1], 0.5)[1] == 0.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_rate_explains_most(rows: list[Row]) -> None:
    own = [row for row in rows if (row.task, row.cell) == ("phones", "gru")]
    found = importances(own)
    assert set(found) == {"size", "rate", "momentum", "noise", "optimizer"}
    assert max(found, key=lambda name: found[name]) == "rate"
    assert found["rate"] > 0.5
    assert sum(found.values()) <= 1 + 1e-6
    assert importances(own) == found
    pooled = importances([row for row in rows if row.task == "phones"])
    assert pooled["cell"] > 0.01


def test_without_variance_nothing_is_important(rows: list[Row]) -> None:
    same = [row._replace(held=1.0) for row in rows[:5]]
    assert all(math.isnan(share) for share in importances(same).values())


def comparison(task: str, cell: str, difference: float, p: float, margin: float = 0.5) -> Comparison:
    return Comparison(task, cell, 1.0 + difference, difference, 0.0, 0.0, p, p, margin)


TASKS = ("chorales", "phones", "strokes")
RATE_FIRST = {"rate": 0.6, "size": 0.1, "noise": 0.1, "momentum": 0.1}
SIZE_FIRST = {"rate": 0.1, "size": 0.6, "noise": 0.1, "momentum": 0.1}


def test_claims_are_confirmed() -> None:
    found = claims(
        [
            *(comparison(task, "lstm-nfg", 0.5, 0.001) for task in TASKS),
            *(comparison(task, "lstm-noaf", 0.5, 0.002) for task in TASKS),
            *(comparison(task, "lstm-np", -0.01, 0.7, 0.01) for task in TASKS),
            *(comparison(task, "lstm-cifg", 0.01, 0.8, 0.02) for task in TASKS),
            comparison("phones", "gru", -0.5, 0.0001),  # no variant
        ],
        {(task, str(number)): RATE_FIRST for task in TASKS for number in range(3)},
    )
    assert {each.verdict for each in found} == {"confirmed"}
    assert [each.p for each in found] == pytest.approx([0.7, 0.001, 0.002, 0.25**9, 0.02, 0.01])
    assert "of 12 comparisons, 3 are in a variant's favour, none significantly" in found[0].evidence
    assert "first in 9 of 9 searches, with 60% of the variance" in found[3].evidence


def test_claims_are_refuted() -> None:
    found = claims(
        [
            *(comparison(task, "lstm-nfg", -0.5, 0.001) for task in TASKS),
            *(comparison(task, "lstm-noaf", 0.1, 0.3) for task in TASKS),
            *(comparison(task, "lstm-np", 0.4, 0.01, 0.9) for task in TASKS),
            *(comparison(task, "lstm-cifg", 0.4, 0.02, 0.9) for task in TASKS),
        ],
        {(task, str(number)): SIZE_FIRST for task in TASKS for number in range(3)},
    )
    assert {each.verdict for each in found} == {"refuted"}
    assert "better: lstm-nfg on chorales (-0.500, p = 0.0010)" in found[0].evidence
    assert "worse: lstm-cifg on chorales (+0.400, p = 0.02)" in found[4].evidence


def test_claims_stay_undecided() -> None:
    found = claims(
        [
            *(comparison(task, "lstm-nfg", 0.5, p) for task, p in zip(TASKS, (0.001, 0.4, 0.9), strict=True)),
            *(comparison(task, "lstm-noaf", 0.5, p) for task, p in zip(TASKS, (0.001, 0.01, 0.9), strict=True)),
            *(comparison(task, "lstm-np", 0.1, 0.7, 0.2) for task in TASKS),
            *(comparison(task, "lstm-cifg", 0.1, 0.8, p) for task, p in zip(TASKS, (0.01, 0.2, 0.01), strict=True)),
        ],
        {("phones", "gru"): RATE_FIRST, ("phones", "rnn"): SIZE_FIRST},
    )
    assert [each.verdict for each in found] == ["confirmed", *["undecided"] * 5]
    assert found[4].p == 0.2
    assert "significantly worse on 2 of 3 tasks" in found[2].evidence
    assert claims([], {})[3].verdict == "undecided"
