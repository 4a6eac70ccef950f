"""Length-bucketed batches."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from training.length_buckets import LengthBuckets

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 5), st.integers(0, 3))
def test_every_example_comes_once_an_epoch(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    buckets = LengthBuckets(lengths, size, seed)
    batches = buckets.batches(epoch)
    assert len(batches) == len(buckets)
    assert sorted(example for batch in batches for example in batch) == list(range(len(lengths)))
    assert max(map(len, batches)) <= size


@given(LENGTHS, st.integers(1, 40))
def test_lengths_of_different_batches_do_not_overlap(lengths: list[int], size: int) -> None:
    ranges = sorted(
        (min(lengths[e] for e in batch), max(lengths[e] for e in batch))
        for batch in LengthBuckets(lengths, size, 0).batches(0)
    )
    assert all(upper <= lower for (_, upper), (lower, _) in pairwise(ranges))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    lengths = [3, 4, 5] * 20
    one, again = LengthBuckets(lengths, 8, seed=1), LengthBuckets(lengths, 8, seed=1)
    one.batches(0)
    assert one.batches(5) == again.batches(5)
    assert one.batches(0) != one.batches(1)
    assert one.batches(0) != LengthBuckets(lengths, 8, seed=2).batches(0)


def test_a_last_batch_too_small_for_all_processes_joins_the_one_before() -> None:
    assert sorted(map(len, LengthBuckets([1] * 17, 8, 0, smallest=2).batches(0))) == [8, 9]
    assert sorted(map(len, LengthBuckets([1] * 18, 8, 0, smallest=2).batches(0))) == [2, 8, 8]
