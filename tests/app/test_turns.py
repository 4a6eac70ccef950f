"""Whose turn it is."""

import threading
import time
from itertools import pairwise

from app.turns import Turns


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
            until = time.monotonic() + 10
            while len(turns._waiting) < waiting:
                assert time.monotonic() < until
                time.sleep(0.001)
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

    def wait_until(there: str) -> None:
        until = time.monotonic() + 10
        while "".join(order) != there:
            assert time.monotonic() < until
            time.sleep(0.001)

    for name, there in (("a", "a"), ("b", "ab"), ("w", "ab"), ("c", "ab")):
        threads[name].start()
        wait_until(there)
        while name in "wc" and len(turns._waiting) < "wc".index(name) + 1:
            time.sleep(0.001)
    leave["b"].set()
    threads["b"].join(10)
    assert order == ["a", "b"]  # the whole is not free, and who wants a share does not go before who came earlier
    leave["a"].set()
    wait_until("abw")
    leave["w"].set()
    wait_until("abwc")
    leave["c"].set()
    threads["c"].join(10)
    assert not turns.wanted


def test_a_turn_that_fails_is_over() -> None:
    turns = Turns()
    for _ in range(2):
        try:
            with turns.turn():
                raise ValueError
        except ValueError:
            pass
    assert not turns.wanted
