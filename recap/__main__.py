"""The commands `recap`, which `python -m recap` runs too, and `recap-train`."""

import sys

from recap.installation import PACKAGES, require_own_packages


def main() -> None:
    """Runs `recap`."""
    _require_own_packages()
    from app.cli import main

    main()


def train() -> None:
    """Runs `recap-train`."""
    _require_own_packages()
    try:
        from training.cli import main

        main()
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in PACKAGES:
            raise
        message = f"{error.name} is not installed; training needs the extra: pip install 'recap-captioner[train]'"
        sys.exit(f"error: {message}")


def _require_own_packages() -> None:
    try:
        require_own_packages()
    except ImportError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
