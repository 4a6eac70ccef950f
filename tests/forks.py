"""Processes of their own, in which all libraries are imported already: nothing else of a start takes as long."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from training.tasks import TASKS

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.training.conftest",
        "torch._dynamo",
        "app.cli",
        "app.http.server",
        "app.logs",
        "app.main",
        *(kind.objective.partition(":")[0] for task in TASKS.values() for kind in task.objectives.values()),
    ]
)


def begin(function: Callable[..., None], *arguments: object, **environment: str) -> BaseProcess:
    """Calls a function in a process of its own."""
    process = FORKS.Process(target=_call, args=({**os.environ, **environment}, function, arguments))
    process.start()
    return process


def _call(environment: dict[str, str], function: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """Calls it in the new process: the server that forks has an environment of its own, and may ignore a signal."""
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    function(*arguments)


class Forked:
    """A function in a process of its own, as `subprocess.Popen` would show it with its errors in a pipe."""

    def __init__(self, function: Callable[..., None], *arguments: object, **environment: str) -> None:
        reader, writer = multiprocessing.Pipe(duplex=False)
        with reader, writer:
            self._process = begin(_tell, writer, function, arguments, **environment)
            self.stderr = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        self.kill = self._process.kill

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        self.stderr.close()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code, or None if it has not ended in time."""
        self._process.join(seconds)
        return self._process.exitcode


def _tell(errors: Connection, function: Callable[..., None], arguments: tuple[object, ...]) -> None:
    os.dup2(errors.fileno(), sys.stderr.fileno())
    errors.close()
    function(*arguments)


def recap(*arguments: str) -> None:
    """The command itself."""
    from app.cli import main

    sys.argv[1:] = arguments
    main()


def recap_printing_to(file: str, *arguments: str) -> None:
    """The command with its standard output in a file, or in a pipe that nobody reads if there is no name."""
    if file:
        output = os.open(file, os.O_WRONLY)
    else:
        reader, output = os.pipe()
        os.close(reader)
    os.dup2(output, sys.stdout.fileno())
    recap(*arguments)


def recap_telling(file: str, *arguments: str) -> None:
    """The command with its errors in a file, which takes any number of them."""
    os.dup2(os.open(file, os.O_WRONLY), sys.stderr.fileno())
    recap(*arguments)


def recap_with_shards_of(size: int, *arguments: str) -> None:
    """The command, with shards of so many pictures, in batches of two."""
    import app.tasks.captioning.bulk.plan as plans

    plans.SIZE = size
    recap(*arguments)


def recap_with_few_files(most: int, *arguments: str) -> None:
    """The command where 64 files may be open, and `most` if it asks for more."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
    recap(*arguments)


def recap_that_holds_on(lock: bool, *arguments: str) -> None:
    """The command, one of whose threads stays in native code once it is told to stop; with the interpreter's lock?"""
    import ctypes
    import threading
    from types import FrameType

    import app.http.server as serving

    serving.FLUSH_SECONDS = serving.PATIENCE = 1
    told, handle_exit = threading.Event(), serving.Server.handle_exit

    def hold() -> None:
        told.wait()
        (ctypes.PyDLL if lock else ctypes.CDLL)(None).sleep(120)

    def told_to_stop(server: serving.Server, sig: int, frame: FrameType | None) -> None:
        handle_exit(server, sig, frame)
        told.set()

    threading.Thread(target=hold).start()
    serving.Server.handle_exit = told_to_stop  # type: ignore[assignment, method-assign]
    recap(*arguments)
