"""Requests that come together: in batches of any make-up, too many of them, too late, or gone."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Refusal
from app.serving.batcher import Batcher


class Kitchen:
    """Squares numbers, in batches. It can't prepare 13, can't work on 7, and works only while `open` is set."""

    def __init__(self, lanes: int = 0, slowly: float = 0.0, taking: float = 0.0, **options: Any) -> None:
        self.slowly = slowly
        """Seconds that preparing takes."""
        self.taking = taking
        """Seconds that a batch takes."""
        self.prepared: list[int] = []
        self.batches: list[list[int]] = []
        self.lanes: list[int | None] = []
        """Of each batch."""
        self.open = threading.Event()
        self.open.set()
        usual: dict[str, Any] = {"threads": 1, "size": 3, "pause": 0.2, "queue": 100, "deadline": 20}
        self.batcher = Batcher[int, int, int](self.prepare, self.work, **usual | options)
        if lanes:
            self.batcher.widen(lanes)

    def prepare(self, item: int) -> int:
        if item == 13:
            raise Refusal("unlucky", "13")
        time.sleep(self.slowly)
        self.prepared.append(item)
        return item

    def work(self, items: Sequence[int], lane: int | None) -> list[int]:
        self.lanes.append(lane)
        assert self.open.wait(20)
        time.sleep(self.taking)
        self.batches.append(list(items))
        if 7 in items:
            raise ValueError("7")
        return [item * item for item in items]

    def run(self, guests: Callable[[], Any]) -> None:
        async def run() -> None:
            running = asyncio.create_task(self.batcher.run())
            await guests()
            running.cancel()
            self.batcher.close()

        asyncio.run(asyncio.wait_for(run(), 30))


async def outcome(task: asyncio.Task[int]) -> object:
    try:
        return await task
    except Refusal as error:
        return error.code
    except ValueError as error:
        return str(error)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what comes true sets no event
            await asyncio.sleep(0.005)


@given(
    st.lists(st.integers(0, 20), max_size=12),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0, 2, 3]),
    st.sampled_from([0.0, 0.002]),
)
@settings(max_examples=40)
def test_everyone_gets_an_answer_and_it_is_their_own(
    items: list[int], size: int, threads: int, lanes: int, pause: float
) -> None:
    kitchen = Kitchen(size=size, threads=threads, lanes=lanes, pause=pause)

    async def guests() -> None:
        tasks = kitchen.batcher.submit(items)
        found = [await outcome(task) for task in tasks]
        assert found == ["unlucky" if item == 13 else "7" if item == 7 else item * item for item in items]
        await until(lambda: kitchen.batcher.pending == 0)

    kitchen.run(guests)
    assert all(len(batch) <= size for batch in kitchen.batches)
    failed = [batch for batch in kitchen.batches if 7 in batch]
    assert sum(map(len, kitchen.batches)) == len(items) - items.count(13) + sum(
        len(batch) for batch in failed if len(batch) > 1
    )


def test_a_batch_takes_what_waits_and_what_comes_shortly() -> None:
    kitchen = Kitchen()

    async def guests() -> None:
        kitchen.open.clear()
        (first,) = kitchen.batcher.submit([1])
        await until(lambda: kitchen.prepared == [1])
        rest = kitchen.batcher.submit([2, 3, 4, 5])
        await until(lambda: len(kitchen.prepared) == 5)
        kitchen.open.set()
        assert [await task for task in (first, *rest)] == [1, 4, 9, 16, 25]

    kitchen.run(guests)
    assert kitchen.batches[0][0] == 1
    assert [item for batch in kitchen.batches for item in batch] == [1, 2, 3, 4, 5]
    assert len(kitchen.batches) <= 3


def test_nobody_waits_for_company_when_none_is_on_its_way() -> None:
    kitchen = Kitchen(pause=60)

    async def guests() -> None:
        assert [await task for task in kitchen.batcher.submit([3])] == [9]

    began = time.monotonic()
    kitchen.run(guests)
    assert time.monotonic() - began < 10


def test_clients_in_a_loop_go_together() -> None:
    kitchen = Kitchen(size=8, threads=3, taking=0.05)

    async def guests() -> None:
        async def guest(number: int) -> None:
            for _ in range(12):
                (task,) = kitchen.batcher.submit([number])
                await task
                await asyncio.sleep(0.02 * number)  # some are slower than others, but none as slow as the pause

        await asyncio.gather(*map(guest, range(3)))

    kitchen.run(guests)
    assert kitchen.batches.count([0, 1, 2]) >= 6


def test_lanes_begin_when_a_full_batch_waits_and_go_on_with_half_full_ones() -> None:
    kitchen = Kitchen(size=4, lanes=3, pause=0.01)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit([1])
        await until(lambda: kitchen.lanes == [None])
        tasks += kitchen.batcher.submit([2, 3, 4])
        await until(lambda: len(kitchen.prepared) == 4)
        await asyncio.sleep(0.05)
        assert len(kitchen.lanes) == 1  # what is on all cores will be done soon
        tasks += kitchen.batcher.submit([5])
        await until(lambda: len(kitchen.lanes) == 2)
        kitchen.batcher._at_work.remove(None)  # as if that one had ended first
        tasks += kitchen.batcher.submit([6])
        await until(lambda: len(kitchen.prepared) == 6)
        await asyncio.sleep(0.05)
        assert len(kitchen.lanes) == 2  # alone, it waits for company, or for the lanes to end
        tasks += kitchen.batcher.submit([8])
        await until(lambda: len(kitchen.lanes) == 3)
        kitchen.batcher._at_work.append(None)
        kitchen.open.set()
        assert [await task for task in tasks] == [1, 4, 9, 16, 25, 36, 64]

    kitchen.run(guests)
    assert None not in kitchen.lanes[1:]
    assert sorted(kitchen.batches) == [[1], [2, 3, 4, 5], [6, 8]]


def test_what_is_left_when_lanes_have_ended_has_all_cores() -> None:
    kitchen = Kitchen(size=4, lanes=2, pause=0)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit([1])
        await until(lambda: kitchen.lanes == [None])
        tasks += kitchen.batcher.submit([2, 3, 4, 5])
        await until(lambda: len(kitchen.lanes) == 2)
        tasks += kitchen.batcher.submit([6])
        await until(lambda: len(kitchen.prepared) == 6)
        kitchen.open.set()
        assert [await task for task in tasks] == [1, 4, 9, 16, 25, 36]

    kitchen.run(guests)
    assert kitchen.lanes == [None, kitchen.lanes[1], None]
    assert kitchen.batches[2] == [6]


@pytest.mark.parametrize("slowly", [0.0, 0.015])
def test_a_batch_on_no_lane_has_half_the_size(slowly: float) -> None:
    kitchen = Kitchen(size=6, lanes=2, threads=6, slowly=slowly)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit(list(range(20, 29)))
        await until(lambda: len(kitchen.lanes) == 2)
        kitchen.open.set()
        assert [await task for task in tasks] == [item * item for item in range(20, 29)]

    kitchen.run(guests)
    assert sorted(map(len, kitchen.batches)) == [3, 6]
    assert kitchen.lanes[0] is None
    assert kitchen.lanes[1] in (0, 1)


def test_too_many_are_refused_at_once_all_or_none() -> None:
    kitchen = Kitchen(size=2, queue=3)

    async def guests() -> None:
        many = kitchen.batcher.submit(list(range(20, 30)))  # nobody was there
        with pytest.raises(Refusal, match="10 pictures wait already") as error:
            kitchen.batcher.submit([1])
        assert error.value.code == "queue_full"
        assert error.value.retry_after
        assert error.value.retry_after >= 1
        assert [await task for task in many] == [item * item for item in range(20, 30)]
        await until(lambda: kitchen.batcher.pending == 0)
        kitchen.open.clear()
        three = kitchen.batcher.submit([1, 2, 3])
        with pytest.raises(Refusal, match="3 pictures wait"):
            kitchen.batcher.submit([4, 5, 6])
        two = kitchen.batcher.submit([4, 5])
        kitchen.open.set()
        assert [await task for task in (*three, *two)] == [1, 4, 9, 16, 25]
        kitchen.batcher.require_room()

    kitchen.run(guests)
    assert 6 not in kitchen.prepared


def test_time_that_is_up_is_told_and_no_work_is_spent() -> None:
    kitchen = Kitchen(deadline=0.1, size=1)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit([1, 2])
        assert [await outcome(task) for task in tasks] == ["deadline_exceeded"] * 2
        kitchen.open.set()
        assert [await task for task in kitchen.batcher.submit([3])] == [9]

    kitchen.run(guests)
    assert kitchen.batches == [[1], [3]]


def test_no_work_is_spent_on_who_has_left() -> None:
    kitchen = Kitchen(size=1)

    async def guests() -> None:
        kitchen.open.clear()
        at_work, leaving, staying = kitchen.batcher.submit([1, 2, 3])
        await until(lambda: kitchen.prepared == [1, 2, 3])
        leaving.cancel()
        await until(lambda: kitchen.batcher.pending == 2)
        kitchen.open.set()
        assert [await at_work, await staying] == [1, 9]

    kitchen.run(guests)
    assert kitchen.batches == [[1], [3]]


def test_who_waits_is_told_when_it_closes() -> None:
    kitchen = Kitchen(size=1)

    async def guests() -> None:
        kitchen.open.clear()
        at_work, waiting = kitchen.batcher.submit([1, 2])
        await until(lambda: kitchen.prepared == [1, 2])
        late = kitchen.batcher.submit([3])
        kitchen.batcher.close()
        assert [await outcome(task) for task in (waiting, *late)] == ["draining"] * 2
        kitchen.open.set()
        assert await at_work == 1
        with pytest.raises(Refusal, match="shutting down"):
            kitchen.batcher.submit([4])

    kitchen.run(guests)
    assert kitchen.batches == [[1]]
