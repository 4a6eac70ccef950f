"""Signals that ask the process to stop, and its end. Standard library only, and little of it."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn


def on_stop(handler: Callable[[int, FrameType | None], object]) -> None:
    """Has the signals that ask to stop handled, and those ignored that ask other programs to open their logs anew.

    SIGHUP, which a closing terminal sends, stays ignored where it is, as under nohup.
    """
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
    if hasattr(signal, "SIGHUP"):  # not on Windows
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, handler)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def leave(code: int) -> NoReturn:
    """Ends the process at once. Python itself would first wait for threads that decode, load or compute."""
    if "logging" in sys.modules:
        sys.modules["logging"].shutdown()
    os._exit(code)
