"""Who is waited for when a batch has ended: clients that ask in a loop, and nobody else."""

import pytest

from app.serving.returns import Returns

PAUSE = 0.003


def rounds(returns: Returns, number: int, after: float, times: int = 8) -> float:
    """Batches of so many, whose clients come back one by one, each so long after the one before. Returns the time."""
    now = 100.0
    for _ in range(times):
        returns.left(number, now)
        for _ in range(number):
            now += after
            returns.came(1, now)
        now += 0.02
    return now


@pytest.mark.parametrize("number", [1, 2, 5])
def test_those_who_have_come_back_before_are_expected_to(number: int) -> None:
    returns = Returns(PAUSE)
    now = rounds(returns, number, after=0.002)
    returns.left(number, now)
    for back in range(number):
        assert returns.expected(now + 0.001), back
        now += 0.002
        returns.came(1, now)
        assert returns.heard == now
    assert not returns.expected(now)  # all are there


def test_a_list_of_pictures_comes_back_as_one() -> None:
    returns = Returns(PAUSE)
    now = rounds(returns, 2, after=0.001)
    returns.left(2, now)
    returns.came(5, now + 0.001)
    assert not returns.expected(now + 0.001)


def test_who_takes_their_time_is_not_waited_for() -> None:
    returns = Returns(PAUSE)
    now = rounds(returns, 3, after=0.001)
    returns.left(3, now)
    assert not returns.expected(now + PAUSE)
    returns.came(1, now + 0.02)
    assert returns.heard == now  # that was somebody else


@pytest.mark.parametrize("number", [1, 3])
def test_nor_is_anybody_who_never_came_back(number: int) -> None:
    returns = Returns(PAUSE)
    now = rounds(returns, number, after=0.018)
    returns.left(number, now)
    assert not returns.expected(now)


def test_one_who_stays_away_is_forgotten_after_a_few_batches() -> None:
    returns = Returns(PAUSE)
    now = rounds(returns, 2, after=0.001)
    waited = 0
    for _ in range(20):
        now += 0.1
        returns.left(2, now)
        waited += returns.expected(now)
    assert 1 <= waited <= 4


def test_without_a_pause_nobody_is_waited_for() -> None:
    returns = Returns(0)
    now = rounds(returns, 2, after=0.0)
    returns.left(2, now)
    assert not returns.expected(now)
