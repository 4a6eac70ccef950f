"""Batches that threads load while the network works on the one before."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Job = TypeVar("Job")


def in_batches(jobs: Sequence[Job], batch_size: int) -> Iterator[Sequence[Job]]:
    """The jobs in order, `batch_size` at a time; the last batch may be smaller."""
    for start in range(0, len(jobs), batch_size):
        yield jobs[start : start + batch_size]


def load_batches(load: Callable[[Job], Tensor], batches: Iterable[Sequence[Job]]) -> Iterator[Tensor]:
    """Stacks the results of `load` for the jobs of each batch, (B, ...).

    Raises:
        Exception: whatever `load` raises, at the batch that it belongs to.
    """
    pool = ThreadPoolExecutor(max(2, min(8, (os.cpu_count() or 2) // 2)))
    try:
        ahead: list[Future[Tensor]] = []
        for jobs in (*batches, ()):
            ready, ahead = ahead, [pool.submit(load, job) for job in jobs]
            if ready:
                yield torch.stack([future.result() for future in ready])
    finally:
        pool.shutdown(cancel_futures=True)
