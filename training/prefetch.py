"""Batches that are made ready by threads while the network is at the one before."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Job = TypeVar("Job")


def load_batches(load: Callable[[Job], Tensor], jobs: Sequence[Job], batch_size: int) -> Iterator[Tensor]:
    """What `load` gives for each job, stacked (B, ...), in order; the last batch may be smaller.

    Raises:
        Exception: whatever `load` raises, at the batch that it belongs to.
    """
    pool = ThreadPoolExecutor(max(2, min(8, (os.cpu_count() or 2) // 2)))
    try:
        ahead: list[Future[Tensor]] = []
        for start in range(0, len(jobs) + batch_size, batch_size):
            ready, ahead = ahead, [pool.submit(load, job) for job in jobs[start : start + batch_size]]
            if ready:
                yield torch.stack([future.result() for future in ready])
    finally:
        pool.shutdown(cancel_futures=True)
