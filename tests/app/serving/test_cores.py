"""The lock over the cores: order, shares, failures."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from app.serving.cores import CoreLock


def wait_for(found: Callable[[], object], expected: object) -> None:
    until = time.monotonic() + 10
    while found() != expected:
        assert time.monotonic() < until, f"it is still {found()!r} after 10 seconds"
        time.sleep(0.001)


def test_lock_is_granted_in_the_order_of_arrival() -> None:
    cores, order = CoreLock(), []

    def take(number: int) -> None:
        with cores.hold():
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    with cores.hold():
        assert not cores.waiting
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            wait_for(lambda: cores.waiting, waiting)
        assert cores.waiting
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]
    assert not cores.waiting


def test_thread_that_asks_again_at_once_waits_behind_the_others() -> None:
    cores, order, alone = CoreLock(), [], threading.Event()

    def greedy(name: str) -> None:
        for _ in range(50):
            with cores.hold():
                order.append(name)
                while not (cores.waiting or alone.wait(0.0001)):  # until the other one has asked again
                    pass
        alone.set()

    threads = [threading.Thread(target=greedy, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(order) == 100
    assert all(one != after for one, after in pairwise(order))


def test_shares_are_held_together_and_the_whole_alone() -> None:
    cores, order, leave = CoreLock(2), [], {name: threading.Event() for name in "abwc"}

    def take(name: str) -> None:
        with cores.hold() if name == "w" else cores.hold_share():
            order.append(name)
            assert leave[name].wait(20)

    threads = {name: threading.Thread(target=take, args=(name,)) for name in leave}

    for name, there, waiting in (("a", "a", 0), ("b", "ab", 0), ("w", "ab", 1), ("c", "ab", 2)):
        threads[name].start()
        wait_for(lambda: "".join(order), there)
        wait_for(lambda: cores.waiting, waiting)
    leave["b"].set()
    threads["b"].join(10)
    assert order == [
        "a",
        "b",
    ]  # the whole is not free, and a share is not granted before an earlier request for the whole
    leave["a"].set()
    wait_for(lambda: "".join(order), "abw")
    leave["w"].set()
    wait_for(lambda: "".join(order), "abwc")
    leave["c"].set()
    threads["c"].join(10)
    assert not cores.waiting


def test_whole_lock_excludes_every_share() -> None:
    cores, there, seen = CoreLock(3), [], set[tuple[int, int]]()

    def take(share: bool) -> None:
        for _ in range(200):
            with cores.hold_share() if share else cores.hold():
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


def test_lock_is_released_by_a_failure() -> None:
    cores = CoreLock()
    for _ in range(2):
        try:
            with cores.hold():
                raise ValueError
        except ValueError:
            pass
    assert not cores.waiting


def test_lane_runs_without_the_lock() -> None:
    cores = CoreLock(2)
    with cores.hold(), ThreadPoolExecutor(1) as pool:

        def run() -> int | None:
            with cores.on_lane(1), cores.hold():
                return cores.lane

        assert pool.submit(run).result(10) == 1
        assert pool.submit(lambda: cores.lane).result(10) is None
