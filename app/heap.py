"""The garbage collector and a heap that is large and lasting: torch's modules and the models."""

import gc


def pause_collection() -> None:
    """Stop collecting until `freeze_heap`: while all is imported and loaded, it takes a tenth of the start."""
    gc.disable()


def freeze_heap() -> None:
    """Collect once more, then leave alone what remains: a full collection of it would stop everyone for 0.2 s."""
    gc.collect()
    gc.freeze()
    gc.enable()
