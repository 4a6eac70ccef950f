"""Requests that come together: in batches of any make-up, too many of them, too late, or gone."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Refusal
from app.serving.batcher import Batcher
from app.serving.worker import Resources
from app.settings import Settings
from model.openvino.lanes import CoreLock, current_lane


class Clock:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self.now = 0.0
        self._alarms: list[tuple[float, asyncio.Event]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        rings = asyncio.Event()
        alarm = (self.now + seconds, rings)
        self._alarms.append(alarm)
        try:
            await rings.wait()
        finally:
            self._alarms.remove(alarm)

    def forward(self, seconds: float) -> None:
        self.now += seconds
        for time, rings in self._alarms:
            if time <= self.now:
                rings.set()

    @property
    def sleepers(self) -> list[float]:
        """Seconds from now after which each of those who sleep wakes up."""
        return [time - self.now for time, _ in self._alarms]


class Kitchen(Batcher[int]):
    """Squares numbers, in batches. It can't prepare 13, can't work on 7, and works only while `open` is set.

    Even and odd numbers do not go together where `apart` is set.
    """

    def __init__(self, lanes: int = 1, apart: bool = False, **options: Any) -> None:
        self.prepared: list[int] = []
        self.batches: list[list[int]] = []
        self.on_lanes: list[int | None] = []
        """The lane of each batch, in the order in which they started."""
        self.open = threading.Event()
        self.open.set()
        self.raw = threading.Event()
        """Set while numbers can be prepared."""
        self.raw.set()
        self.clock = Clock()
        self.apart = apart
        self.lanes = lanes
        self.resources = Resources(Settings(runtime="torch", decode_threads=options.pop("threads", 1)))
        self.resources.cores = CoreLock(lanes)
        usual: dict[str, Any] = {"size": 3, "pause": 0.0, "queue": 100, "deadline": 20}
        usual |= {"clock": self.clock, "sleep": self.clock.sleep}
        super().__init__("arithmetic", "square", "numbers", self.resources, **usual | options)

    def prepare(self, item: int) -> int:
        assert self.raw.wait(20)
        if item == 13:
            raise Refusal("unlucky", "13")
        self.prepared.append(item)
        return item

    def takes_long(self, item: int) -> bool:
        return item >= 1_000

    def kind(self, item: int) -> int:
        return item % 2 if self.apart else 0

    def run(self, batch: Sequence[int]) -> list[int]:
        lane = current_lane()
        self.on_lanes.append(lane.number if lane else None)
        assert self.open.wait(20)
        self.batches.append(list(batch))
        if 7 in batch:
            raise ValueError("7")
        return [number * number for number in batch]

    def open_lanes(self) -> int:
        return self.lanes

    def figure(self, name: str) -> float:
        """A metric's value."""
        labels = {"model": "square"} if name == "recap_items_total" else {}
        return self.resources.metrics.registry.get_sample_value(name, {"task": "arithmetic", **labels}) or 0.0

    def serve(self, guests: Callable[[], Any]) -> None:
        async def serve() -> None:
            await self.widen()
            await guests()
            await self.close()

        asyncio.run(asyncio.wait_for(serve(), 30))
        self.resources.close()


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
            await asyncio.sleep(0.001)


@given(
    st.lists(st.integers(0, 20), max_size=12),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
)
@settings(max_examples=40)
def test_requests_are_answered_each_with_its_own_result(
    items: list[int], size: int, threads: int, lanes: int, apart: bool
) -> None:
    kitchen = Kitchen(size=size, threads=threads, lanes=lanes, apart=apart, pause=0.0)

    async def guests() -> None:
        tasks = kitchen.submit(items)
        found = [await outcome(task) for task in tasks]
        assert found == ["unlucky" if item == 13 else "7" if item == 7 else item * item for item in items]
        await until(lambda: kitchen.pending == 0)

    kitchen.serve(guests)
    assert all(len(batch) <= size for batch in kitchen.batches)
    if apart:
        assert all(len({item % 2 for item in batch}) == 1 for batch in kitchen.batches)
    failed = [batch for batch in kitchen.batches if 7 in batch]
    assert sum(map(len, kitchen.batches)) == len(items) - items.count(13) + sum(
        len(batch) for batch in failed if len(batch) > 1
    )
    assert kitchen.figure("recap_items_total") == len(items) - items.count(13) - items.count(7)


def test_batch_waits_while_requests_are_prepared_and_until_none_comes_for_the_pause() -> None:
    kitchen = Kitchen(size=8, threads=4, pause=60)

    async def guests() -> None:
        kitchen.raw.clear()
        tasks = kitchen.submit([1, 2, 3])
        kitchen.raw.set()
        await until(lambda: len(kitchen.prepared) == 3)
        assert [await task for task in tasks] == [1, 4, 9]  # nothing else is being prepared: no time has to pass
        assert kitchen.batches == [[1, 2, 3]]

    kitchen.serve(guests)


def test_batch_starts_when_the_pause_is_over() -> None:
    kitchen = Kitchen(size=8, threads=2, pause=0.5)
    slow = threading.Event()
    prepare = kitchen.prepare

    def prepare_slowly(item: int) -> int:
        assert item != 4 or slow.wait(20)
        return prepare(item)

    kitchen.prepare = prepare_slowly  # type: ignore[method-assign]

    async def guests() -> None:
        tasks = kitchen.submit([4, 3])
        await until(lambda: kitchen.prepared == [3] and 0.5 in kitchen.clock.sleepers)
        kitchen.clock.forward(0.4)
        await asyncio.sleep(0.01)
        assert kitchen.batches == []  # 4 is being prepared
        kitchen.clock.forward(0.1)
        assert await tasks[1] == 9
        slow.set()
        assert await tasks[0] == 16
        assert kitchen.batches == [[3], [4]]

    kitchen.serve(guests)


def test_lone_request_does_not_wait() -> None:
    kitchen = Kitchen(pause=60)

    async def guests() -> None:
        for _ in range(2):
            assert [await task for task in kitchen.submit([3])] == [9]

    kitchen.serve(guests)
    assert kitchen.clock.now == 0


def test_request_after_a_batch_of_several_waits_for_company() -> None:
    kitchen = Kitchen(size=8, pause=0.5)

    async def guests() -> None:
        kitchen.raw.clear()
        together = kitchen.submit([1, 2])
        kitchen.raw.set()
        assert [await task for task in together] == [1, 4]
        (one,) = kitchen.submit([1])
        await until(lambda: 0.5 in kitchen.clock.sleepers)
        kitchen.clock.forward(0.125)
        (two,) = kitchen.submit([2])
        await until(lambda: 0.5 in kitchen.clock.sleepers)  # the pause begins anew
        kitchen.clock.forward(0.5)
        assert [await one, await two] == [1, 4]
        (one,) = kitchen.submit([3])
        await until(lambda: 0.5 in kitchen.clock.sleepers)
        kitchen.clock.forward(0.5)  # nobody came
        assert await one == 9
        assert [await task for task in kitchen.submit([4])] == [16]  # nobody is waited for any more

    kitchen.serve(guests)
    assert kitchen.batches == [[1, 2], [1, 2], [3], [4]]


def test_requests_of_other_kinds_keep_their_order() -> None:
    kitchen = Kitchen(size=2, apart=True, pause=0)

    async def guests() -> None:
        kitchen.open.clear()
        (first,) = kitchen.submit([0])
        await until(lambda: len(kitchen.on_lanes) == 1)
        tasks = kitchen.submit([1, 2, 3, 4, 5, 6])
        await until(lambda: len(kitchen.prepared) == 7)
        kitchen.open.set()
        assert [await task for task in (first, *tasks)] == [0, 1, 4, 9, 16, 25, 36]

    kitchen.serve(guests)
    assert kitchen.batches == [[0], [1, 3], [2, 4], [5], [6]]


def test_items_that_take_long_hold_up_no_others() -> None:
    kitchen = Kitchen(size=1)
    slow = threading.Event()
    prepare = kitchen.prepare

    def prepare_slowly(item: int) -> int:
        assert item < 1_000 or slow.wait(20)
        return prepare(item)

    kitchen.prepare = prepare_slowly  # type: ignore[method-assign]

    async def guests() -> None:
        long = kitchen.submit([1_000, 1_001])
        assert [await task for task in kitchen.submit([2])] == [4]
        assert not any(task.done() for task in long)
        slow.set()
        assert [await task for task in long] == [1_000_000, 1_002_001]

    kitchen.serve(guests)


def test_many_items_of_one_caller_do_not_stand_before_one_of_another() -> None:
    kitchen = Kitchen(size=1)

    async def guests() -> None:
        kitchen.raw.clear()
        many = kitchen.submit([1, 2, 3, 4])
        one = kitchen.submit([5])
        await asyncio.sleep(0)
        kitchen.raw.set()
        assert [await task for task in (*many, *one)] == [1, 4, 9, 16, 25]
        assert kitchen.prepared.index(5) <= 1

    kitchen.serve(guests)


def test_several_items_together_leave_room_for_one() -> None:
    kitchen = Kitchen(size=2, queue=6)

    async def guests() -> None:
        kitchen.raw.clear()
        tasks = kitchen.submit([1, 2, 3])
        with pytest.raises(Refusal, match="3 numbers wait already"):
            kitchen.submit([4, 5])
        tasks += kitchen.submit([4])
        kitchen.raw.set()
        assert [await task for task in tasks] == [1, 4, 9, 16]

    kitchen.serve(guests)


def test_lanes_start_when_a_full_batch_waits() -> None:
    kitchen = Kitchen(size=4, lanes=3, pause=0)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.submit([1])
        await until(lambda: kitchen.on_lanes == [None])
        tasks += kitchen.submit([2, 3, 4])
        await until(lambda: len(kitchen.prepared) == 4)
        await asyncio.sleep(0.01)
        assert len(kitchen.on_lanes) == 1  # the batch on all cores will be done soon
        tasks += kitchen.submit([5])
        await until(lambda: len(kitchen.on_lanes) == 2)
        kitchen.open.set()
        assert [await task for task in tasks] == [1, 4, 9, 16, 25]

    kitchen.serve(guests)
    assert kitchen.on_lanes[1] in range(3)
    assert sorted(kitchen.batches) == [[1], [2, 3, 4, 5]]


def test_rest_runs_on_all_cores_when_lanes_have_ended() -> None:
    kitchen = Kitchen(size=4, lanes=2, pause=0)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.submit([1])
        await until(lambda: kitchen.on_lanes == [None])
        tasks += kitchen.submit([2, 3, 4, 5])
        await until(lambda: len(kitchen.on_lanes) == 2)
        tasks += kitchen.submit([6])
        await until(lambda: len(kitchen.prepared) == 6)
        kitchen.open.set()
        assert [await task for task in tasks] == [1, 4, 9, 16, 25, 36]

    kitchen.serve(guests)
    assert kitchen.on_lanes == [None, kitchen.on_lanes[1], None]
    assert kitchen.batches[2] == [6]


def test_batch_outside_lanes_has_at_most_half_the_size() -> None:
    kitchen = Kitchen(size=6, lanes=2, threads=6)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.submit(list(range(20, 29)))
        await until(lambda: len(kitchen.on_lanes) == 2)
        kitchen.open.set()
        assert [await task for task in tasks] == [item * item for item in range(20, 29)]

    kitchen.serve(guests)
    assert sorted(map(len, kitchen.batches)) == [3, 6]
    assert kitchen.on_lanes[0] is None
    assert kitchen.on_lanes[1] in (0, 1)


def test_queue_takes_all_requests_of_a_caller_or_none() -> None:
    kitchen = Kitchen(size=2, queue=8)

    async def guests() -> None:
        many = kitchen.submit(list(range(20, 30)))  # nobody was there
        with pytest.raises(Refusal, match="10 numbers wait already") as error:
            kitchen.submit([1])
        assert error.value.code == "queue_full"
        assert error.value.retry_after
        assert error.value.retry_after >= 1
        assert [await task for task in many] == [item * item for item in range(20, 30)]
        await until(lambda: kitchen.pending == 0)
        kitchen.open.clear()
        three = kitchen.submit([1, 2, 3])
        with pytest.raises(Refusal, match="3 numbers wait"):
            kitchen.submit([4, 5, 6])
        two = kitchen.submit([4, 5])
        kitchen.open.set()
        assert [await task for task in (*three, *two)] == [1, 4, 9, 16, 25]
        kitchen.require_room()

    kitchen.serve(guests)
    assert 6 not in kitchen.prepared


def test_retry_after_is_the_time_that_pending_requests_take() -> None:
    kitchen = Kitchen(size=2, queue=0)

    async def guests() -> None:
        kitchen.open.clear()
        (first,) = kitchen.submit([1])
        await until(lambda: kitchen.on_lanes == [None])
        kitchen.clock.forward(8)
        kitchen.open.set()
        assert await first == 1
        kitchen.open.clear()
        tasks = kitchen.submit([1, 2])
        with pytest.raises(Refusal, match="try again in 8 s") as error:  # 4 s each: the mean of none and 8
            kitchen.submit([3])
        assert error.value.retry_after == 8
        kitchen.open.set()
        assert [await task for task in tasks] == [1, 4]

    kitchen.serve(guests)


def test_deadline_ends_the_wait_and_spares_the_work() -> None:
    kitchen = Kitchen(deadline=5, size=1)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.submit([1, 2])
        await until(lambda: kitchen.prepared == [1, 2] and kitchen.on_lanes == [None])
        kitchen.clock.forward(5)
        assert [await outcome(task) for task in tasks] == ["deadline_exceeded"] * 2
        kitchen.open.set()
        assert [await task for task in kitchen.submit([3])] == [9]

    kitchen.serve(guests)
    assert kitchen.batches == [[1], [3]]


def test_cancelled_request_is_not_worked_on() -> None:
    kitchen = Kitchen(size=1)

    async def guests() -> None:
        kitchen.open.clear()
        at_work, leaving, staying = kitchen.submit([1, 2, 3])
        await until(lambda: kitchen.prepared == [1, 2, 3] and kitchen.on_lanes == [None])
        leaving.cancel()
        await until(lambda: kitchen.pending == 2)
        kitchen.open.set()
        assert [await at_work, await staying] == [1, 9]

    kitchen.serve(guests)
    assert kitchen.batches == [[1], [3]]


def test_close_refuses_what_waits_and_finishes_what_runs() -> None:
    kitchen = Kitchen(size=1)

    async def guests() -> None:
        kitchen.open.clear()
        at_work, waiting = kitchen.submit([1, 2])
        await until(lambda: kitchen.prepared == [1, 2] and kitchen.on_lanes == [None])
        late = kitchen.submit([3])
        await kitchen.close()
        assert [await outcome(task) for task in (waiting, *late)] == ["draining"] * 2
        kitchen.open.set()
        assert await at_work == 1
        with pytest.raises(Refusal, match="shutting down"):
            kitchen.submit([4])

    kitchen.serve(guests)
    assert kitchen.batches == [[1]]


def test_metrics_have_the_wait_and_the_size_of_batches() -> None:
    kitchen = Kitchen(size=2)

    async def guests() -> None:
        kitchen.open.clear()
        (first,) = kitchen.submit([1])
        await until(lambda: kitchen.on_lanes == [None])
        others = kitchen.submit([2, 3])
        await until(lambda: len(kitchen.prepared) == 3)
        kitchen.clock.forward(3)
        kitchen.open.set()
        assert [await task for task in (first, *others)] == [1, 4, 9]

    kitchen.serve(guests)
    assert (kitchen.figure("recap_batch_size_count"), kitchen.figure("recap_batch_size_sum")) == (2, 3)
    assert (kitchen.figure("recap_queue_seconds_count"), kitchen.figure("recap_queue_seconds_sum")) == (3, 6)
