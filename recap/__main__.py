"""The commands `recap`, which `python -m recap` runs too, and `recap-train`."""

import sys

from recap.installation import require_own_packages


def main() -> None:
    """Runs `recap`."""
    _require_own_packages()
    from app.cli import main

    main()


def train() -> None:
    """Runs `recap-train`."""
    _require_own_packages()
    from training.cli import main

    main()


def _require_own_packages() -> None:
    try:
        require_own_packages()
    except ImportError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
