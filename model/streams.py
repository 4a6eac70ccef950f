"""Standard streams that are closed or full: what a command makes of them."""

import os
import sys


def open_closed_streams() -> None:
    """Opens standard streams that were closed, as by `>&-`: they then refuse what is asked of them, as in C.

    Python has None in their place, and the next file to be opened would take the number of the first, with all that is
    printed there.
    """
    for name, mode, flags in (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, flags), mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def told(error: OSError) -> str:
    """The file and the reason of an error that a command ends with: `standard output: no space left on device`.

    What standard output has not taken is dropped, since Python would try again at its exit, and fail.
    """
    place = error.filename
    if place is None:
        try:
            sys.stdout.flush()
        except OSError:
            place = "standard output"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    reason = error.strerror or str(error)
    return f"{'' if place is None else f'{os.fsdecode(place)}: '}{reason[:1].lower()}{reason[1:]}"
