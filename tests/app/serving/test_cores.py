"""Whose turn it is."""

import threading
import time
from collections.abc import Callable
from itertools import pairwise

from app.serving.cores import Turns


def wait_for(found: Callable[[], object], expected: object) -> None:
    until = time.monotonic() + 10
    while found() != expected:
        assert time.monotonic() < until, f"it is still {found()!r} after 10 seconds"
        time.sleep(0.001)


def test_turns_go_to_those_who_wait_in_their_order() -> None:
    turns, order = Turns(), []

    def take(number: int) -> None:
        with turns.turn():
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    with turns.turn():
        assert not turns.wanted
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            wait_for(lambda: len(turns._waiting), waiting)
        assert turns.wanted
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]
    assert not turns.wanted


def test_one_who_asks_again_at_once_waits_behind_the_others() -> None:
    turns, order, alone = Turns(), [], threading.Event()

    def greedy(name: str) -> None:
        for _ in range(50):
            with turns.turn():
                order.append(name)
                while not (turns.wanted or alone.wait(0.0001)):  # until the other one has asked again
                    pass
        alone.set()

    threads = [threading.Thread(target=greedy, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(order) == 100
    assert all(one != after for one, after in pairwise(order))


def test_shares_are_had_together_and_the_whole_alone() -> None:
    turns, order, leave = Turns(2), [], {name: threading.Event() for name in "abwc"}

    def take(name: str) -> None:
        with turns.turn(share=name != "w"):
            order.append(name)
            assert leave[name].wait(20)

    threads = {name: threading.Thread(target=take, args=(name,)) for name in leave}

    for name, there, waiting in (("a", "a", 0), ("b", "ab", 0), ("w", "ab", 1), ("c", "ab", 2)):
        threads[name].start()
        wait_for(lambda: "".join(order), there)
        wait_for(lambda: len(turns._waiting), waiting)
    leave["b"].set()
    threads["b"].join(10)
    assert order == ["a", "b"]  # the whole is not free, and who wants a share does not go before who came earlier
    leave["a"].set()
    wait_for(lambda: "".join(order), "abw")
    leave["w"].set()
    wait_for(lambda: "".join(order), "abwc")
    leave["c"].set()
    threads["c"].join(10)
    assert not turns.wanted


def test_whoever_has_the_whole_has_it_alone() -> None:
    turns, there, seen = Turns(3), [], set[tuple[int, int]]()

    def take(share: bool) -> None:
        for _ in range(200):
            with turns.turn(share=share):
                there.append(share)
                seen.add((there.count(True), there.count(False)))
                time.sleep(0)
                there.remove(share)

    threads = [threading.Thread(target=take, args=(share,)) for share in (True, True, True, True, False, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen <= {(0, 1), (1, 0), (2, 0), (3, 0)}
    assert (0, 1) in seen


def test_a_turn_that_fails_is_over() -> None:
    turns = Turns()
    for _ in range(2):
        try:
            with turns.turn():
                raise ValueError
        except ValueError:
            pass
    assert not turns.wanted
