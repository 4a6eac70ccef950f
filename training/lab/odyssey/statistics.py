"""Statistics of a table of trials: the best tenth of each cell, Welch's tests, importances, and the paper's claims."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import create_trial
from scipy.stats import binomtest, t, ttest_ind

from training.lab.odyssey.ledger import Row
from training.lab.odyssey.search import SPACE, VANILLA, drawn

LEVEL = 0.05
"""Below this p a difference is called significant."""
MARGIN = 0.02
"""A share of the vanilla LSTM's score: a variant that is worse by less costs nothing."""


def best_tenth(rows: Sequence[Row]) -> list[Row]:
    """The tenth of a cell's trials on a task that is best on dev, two at least."""
    return sorted(rows, key=lambda row: row.dev)[: max(2, math.ceil(len(rows) / 10))]


class Comparison(NamedTuple):
    """The best tenth of a cell against the vanilla LSTM's, by their scores on held, where smaller is better."""

    task: str
    cell: str
    mean: float
    difference: float  # of the means; positive where the cell is worse
    low: float  # ends of the difference's 95 % interval
    high: float
    p: float  # Welch, two-sided
    adjusted: float  # Holm, over the cells of the task
    p_costs_nothing: float  # one-sided: against a difference of `MARGIN` of the vanilla LSTM's mean, or more

    @property
    def better(self) -> bool:
        """Significantly better."""
        return self.difference < 0 and self.adjusted < LEVEL

    @property
    def worse(self) -> bool:
        """Significantly worse."""
        return self.difference > 0 and self.adjusted < LEVEL


def welch(ours: Sequence[float], theirs: Sequence[float], shift: float = 0.0) -> tuple[float, float, float, float]:
    """Welch's t-test of mean(ours) - mean(theirs) against `shift`.

    Returns:
        p two-sided, p of the difference being less than `shift` by chance, and the ends of its 95 % interval.
    """
    difference = float(np.mean(ours) - np.mean(theirs))
    if np.var(ours) == np.var(theirs) == 0:  # nothing to divide by: the means are all there is
        equal = math.isclose(difference, shift, abs_tol=1e-12)
        return float(equal), 0.5 if equal else float(difference > shift), difference, difference
    found = ttest_ind(np.subtract(ours, shift), theirs, equal_var=False)
    low, high = found.confidence_interval(0.95)
    less = float(t.cdf(found.statistic, found.df))
    return float(found.pvalue), less, float(low) + shift, float(high) + shift


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979), in the order of the given ones."""
    adjusted, running = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        running = max(running, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = running
    return adjusted


def compare(rows: Sequence[Row], task: str) -> list[Comparison]:
    """Every other cell of a task against the vanilla LSTM."""
    cells = list(dict.fromkeys(row.cell for row in rows if row.task == task))
    scores = {
        cell: [row.held for row in best_tenth([row for row in rows if row.task == task and row.cell == cell])]
        for cell in cells
    }
    base = scores[VANILLA]
    margin = MARGIN * float(np.mean(base))
    others = [cell for cell in cells if cell != VANILLA]
    tests = [welch(scores[cell], base) for cell in others]
    adjusted = holm([p for p, *_ in tests])
    return [
        Comparison(
            task,
            cell,
            mean := float(np.mean(scores[cell])),
            mean - float(np.mean(base)),
            low,
            high,
            p,
            corrected,
            welch(scores[cell], base, margin)[1],
        )
        for cell, (p, _, low, high), corrected in zip(others, tests, adjusted, strict=True)
    ]


NAMES = {"one_minus_momentum": "momentum"}


def importances(rows: Sequence[Row], *, seed: int = 1) -> dict[str, float]:
    """The share of the variance of held that each parameter explains, by fANOVA (Hutter et al., 2014); none in all if
    there is no variance. With several cells among the trials, the cell is a parameter, too.
    """
    cells = sorted({row.cell for row in rows})
    space = {**SPACE, "cell": CategoricalDistribution(cells)} if len(cells) > 1 else SPACE
    if len({row.held for row in rows}) < 2:
        return dict.fromkeys((NAMES.get(name, name) for name in space), math.nan)
    study = optuna.create_study()
    for row in rows:
        params = drawn(row) if space is SPACE else {**drawn(row), "cell": row.cell}
        study.add_trial(create_trial(params=params, distributions=space, value=row.held))
    found = FanovaImportanceEvaluator(seed=seed).evaluate(study)
    return {NAMES.get(name, name): found.get(name, 0.0) for name in space}


class Claim(NamedTuple):
    """One of the paper's claims, and what the trials say of it."""

    claim: str
    verdict: str  # confirmed, refuted, or undecided
    p: float
    evidence: str


def claims(comparisons: Sequence[Comparison], by_study: dict[tuple[str, str], dict[str, float]]) -> list[Claim]:
    """The paper's claims in the light of the trials.

    Args:
        comparisons: of all tasks.
        by_study: importances of the parameters for each task and cell.
    """
    variants = [each for each in comparisons if each.cell.startswith("lstm-")]
    return [
        _none_beats_vanilla(variants),
        _matters_most("forget gate", "lstm-nfg", variants),
        _matters_most("output activation", "lstm-noaf", variants),
        _rate_matters_most(by_study),
        _costs_nothing("coupled input and forget gates", "lstm-cifg", variants),
        _costs_nothing("no peepholes", "lstm-np", variants),
    ]


def _listed(found: Sequence[Comparison]) -> str:
    return ", ".join(
        f"{each.cell} on {each.task} ({each.difference:+.3f}, p = {shown(each.adjusted)})" for each in found
    )


def shown(p: float) -> str:
    """A p-value as text."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def _none_beats_vanilla(variants: Sequence[Comparison]) -> Claim:
    ahead = [each for each in variants if each.difference < 0]
    better = [each for each in ahead if each.better]
    p = min((each.adjusted for each in ahead), default=1.0)
    if better:
        return Claim("no variant beats the vanilla LSTM", "refuted", p, f"better: {_listed(better)}")
    evidence = f"of {len(variants)} comparisons, {len(ahead)} are in a variant's favour, none significantly"
    return Claim("no variant beats the vanilla LSTM", "confirmed", p, evidence)


def _matters_most(part: str, cell: str, variants: Sequence[Comparison]) -> Claim:
    """Confirmed where taking the part away is significantly worse on all tasks, refuted where it is on none."""
    own = [each for each in variants if each.cell == cell]
    worse = [each for each in own if each.worse]
    p = max((each.adjusted if each.difference > 0 else 1.0 for each in own), default=1.0)
    verdict = (
        "undecided" if not own else "confirmed" if len(worse) == len(own) else "refuted" if not worse else "undecided"
    )
    evidence = f"without it significantly worse on {len(worse)} of {len(own)} tasks: {_listed(own)}"
    return Claim(f"the {part} is crucial", verdict, p, evidence)


def _rate_matters_most(by_study: dict[tuple[str, str], dict[str, float]]) -> Claim:
    """A binomial test of how often the rate comes first, against each parameter coming first as often."""
    known = [found for found in by_study.values() if not any(map(math.isnan, found.values()))]
    claim = "the learning rate matters most"
    if not known:
        return Claim(claim, "undecided", 1.0, "no importances")
    firsts = sum(max(found, key=lambda name: found[name]) == "rate" for found in known)
    chance = 1 / len(known[0])
    p = float(binomtest(firsts, len(known), chance, alternative="greater").pvalue)
    share = float(np.mean([found["rate"] for found in known]))
    verdict = (
        "confirmed"
        if p < LEVEL and firsts > len(known) / 2
        else "refuted"
        if firsts <= len(known) * chance
        else "undecided"
    )
    evidence = f"first in {firsts} of {len(known)} searches, with {share:.0%} of the variance on average"
    return Claim(claim, verdict, p, evidence)


def _costs_nothing(what: str, cell: str, variants: Sequence[Comparison]) -> Claim:
    """Refuted where a task is significantly worse, confirmed where all exclude a loss of `MARGIN`."""
    own = [each for each in variants if each.cell == cell]
    worse = [each for each in own if each.worse]
    p = max((each.p_costs_nothing for each in own), default=1.0)
    if worse:
        lowest = min(each.adjusted for each in worse)
        return Claim(f"{what}: at no cost", "refuted", lowest, f"worse: {_listed(worse)}")
    verdict = "confirmed" if own and p < LEVEL else "undecided"
    evidence = (
        f"a loss of {MARGIN:.0%} or more is {'excluded' if verdict == 'confirmed' else 'not excluded'}: {_listed(own)}"
    )
    return Claim(f"{what}: at no cost", verdict, p, evidence)
