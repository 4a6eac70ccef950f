"""Time and memory in which `recap caption --out` takes up a run of a million pictures that is 99 % done.

python benchmarks/shards.py          bars: 20 s and 500 MB

The pictures that are left do not exist, so that nothing is captioned, and what it takes to load the model, which a run
of one picture shows, is subtracted: the rest is the run's own.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from app.tasks.captioning.bulk.plan import Plan
from model.checkpoint import Checkpoint

NUMBER = 1_000_000
SECONDS, MEGABYTES = 20, 500
CHECKPOINT = Path("checkpoints/flickr8k-coco")


def main() -> None:
    """Makes the manifest, marks most of it as done, and goes on."""
    checkpoint = Checkpoint.open(CHECKPOINT)
    about = {"name": checkpoint.name, "sha256": checkpoint.sha256}
    with tempfile.TemporaryDirectory() as folder:
        names, out = Path(folder, "todo.txt"), Path(folder, "captions")
        names.write_text("".join(f"photos/{number // 1000:04}/{number:07}.jpg\n" for number in range(NUMBER)))
        began = time.perf_counter()
        plan = Plan.make(str(out), str(names), "image", about, {})
        print(f"manifest of {plan.pictures:,} pictures made in {time.perf_counter() - began:.1f} s")
        for number in range(plan.shards):
            if number % 100:
                (out / plan.file(number)).touch()
        todo = len(plan.todo())
        alone = measured("docs/photo.jpg")
        whole = measured(str(names), "--out", str(out))
        assert plan.todo() == []
    print(f"one picture: {alone.seconds:.1f} s, {alone.cpu:.1f} s of CPU, {alone.megabytes:.0f} MB at most")
    print(f"resumed, with {todo} of {plan.shards:,} shards to do: ", end="")
    print(f"{whole.seconds:.1f} s, {whole.cpu:.1f} s of CPU, {whole.megabytes:.0f} MB at most")
    own = (whole.seconds - alone.seconds, whole.megabytes - alone.megabytes)
    print(f"the run's own: {own[0]:.1f} s, {own[1]:.0f} MB")
    if own[0] > SECONDS or own[1] > MEGABYTES:
        sys.exit(f"more than {SECONDS} s or {MEGABYTES} MB")


class Cost(NamedTuple):
    """The time and the memory that a command takes."""

    seconds: float
    cpu: float
    """Seconds of all cores together."""
    megabytes: float


def measured(*arguments: str) -> Cost:
    """Runs `recap caption`, and waits for it."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "recap", "caption", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


if __name__ == "__main__":
    main()
