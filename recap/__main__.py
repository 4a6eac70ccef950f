"""The commands `recap`, which `python -m recap` runs too, and `recap-train`."""

import sys
from importlib import import_module

from recap.installation import PACKAGES, require_own_packages
from recap.stopping import leave, on_stop


def main() -> None:
    """Runs `recap`."""
    if sys.argv[1:2] == ["serve"]:  # it may be told to stop while all is still being imported
        on_stop(lambda *_: leave(0))
    _run("app.cli")


def train() -> None:
    """Runs `recap-train`."""
    try:
        _run("training.cli")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in PACKAGES:
            raise
        message = f"{error.name} is not installed; training needs the extra: pip install 'recap-captioner[train]'"
        sys.exit(f"error: {message}")


def _run(module: str) -> None:
    try:
        require_own_packages()
    except ImportError as error:
        sys.exit(f"error: {error}")
    import_module(module).main()


if __name__ == "__main__":
    main()
