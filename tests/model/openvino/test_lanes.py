"""The order in which threads get the cores, and the lanes that they compute on."""

import threading
import time
from collections.abc import Callable
from itertools import pairwise

from model.openvino.lanes import CoreLock, current_lane


def wait_for(found: Callable[[], object], expected: object) -> None:
    until = time.monotonic() + 10
    while found() != expected:
        assert time.monotonic() < until, f"it is still {found()!r} after 10 seconds"
        time.sleep(0.001)


def test_waiting_threads_get_the_cores_in_their_order() -> None:
    cores, order = CoreLock(), []

    def take(number: int) -> None:
        with cores.whole():
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    with cores.whole():
        assert not cores.wanted
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            wait_for(lambda: len(cores._waiting), waiting)
        assert cores.wanted
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]
    assert not cores.wanted


def test_thread_that_asks_again_waits_behind_the_others() -> None:
    cores, order, alone = CoreLock(), [], threading.Event()

    def greedy(name: str) -> None:
        for _ in range(50):
            with cores.whole():
                order.append(name)
                while not (cores.wanted or alone.wait(0.0001)):  # until the other one has asked again
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
        with cores.whole() if name == "w" else cores.share():
            order.append(name)
            assert leave[name].wait(20)

    threads = {name: threading.Thread(target=take, args=(name,)) for name in leave}

    for name, there, waiting in (("a", "a", 0), ("b", "ab", 0), ("w", "ab", 1), ("c", "ab", 2)):
        threads[name].start()
        wait_for(lambda: "".join(order), there)
        wait_for(lambda: len(cores._waiting), waiting)
    leave["b"].set()
    threads["b"].join(10)
    assert order == ["a", "b"]  # the whole is not free, and who wants a share does not go before who came earlier
    leave["a"].set()
    wait_for(lambda: "".join(order), "abw")
    leave["w"].set()
    wait_for(lambda: "".join(order), "abwc")
    leave["c"].set()
    threads["c"].join(10)
    assert not cores.wanted


def test_whole_is_never_held_beside_shares() -> None:
    cores, there, seen = CoreLock(3), [], set[tuple[int, int]]()

    def take(share: bool) -> None:
        for _ in range(200):
            with cores.share() if share else cores.whole():
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


def test_failure_releases_the_cores() -> None:
    cores = CoreLock()
    for _ in range(2):
        try:
            with cores.whole():
                raise ValueError
        except ValueError:
            pass
    assert not cores.wanted


def test_lanes_are_the_threads_own_and_used_again() -> None:
    cores, together = CoreLock(3), threading.Barrier(3)
    numbers: list[int] = []

    def take() -> None:
        for _ in range(20):
            with cores.shared():
                lane = current_lane()
                assert lane is not None
                assert lane.cores is cores
                numbers.append(lane.number)
                together.wait(20)
            assert current_lane() is None

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [set(numbers[start : start + 3]) for start in range(0, 60, 3)] == [{0, 1, 2}] * 20


def test_further_thread_waits_for_a_lane() -> None:
    cores, entered = CoreLock(2), threading.Event()

    def take() -> None:
        with cores.shared():
            entered.set()

    holders = [threading.Event() for _ in range(2)]
    leave = threading.Event()

    def hold(there: threading.Event) -> None:
        with cores.shared():
            there.set()
            leave.wait(20)

    threads = [threading.Thread(target=hold, args=(there,)) for there in holders]
    for thread in threads:
        thread.start()
    assert all(there.wait(20) for there in holders)
    late = threading.Thread(target=take)
    late.start()
    assert not entered.wait(0.05)
    leave.set()
    assert entered.wait(20)
    for thread in (*threads, late):
        thread.join(20)


def test_lane_alone_holds_no_cores() -> None:
    cores = CoreLock(2)
    with cores.shared(), cores.whole():
        assert not cores.wanted
