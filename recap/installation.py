"""Where Recap is installed: its checkpoints, and the packages that come with it. Standard library only.

The wheel has `app`, `model` and `training` beside `recap`, as the repository has them.
"""

from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("app", "model", "training")
ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds `recap` and `PACKAGES`: site-packages, or a checkout."""


def checkpoints_folder() -> Path:
    """The checkpoints that come with Recap: `recap/checkpoints` of a wheel, `checkpoints` of a checkout."""
    installed = ROOT / "recap" / "checkpoints"
    return installed if installed.is_dir() else ROOT / "checkpoints"


def require_own_packages() -> None:
    """Checks that `app`, `model` and `training` are Recap's: their names are common ones.

    Raises:
        ImportError: another project's package of that name comes first on the path; says where it is, and what to do.
    """
    for name in PACKAGES:
        spec = find_spec(name)
        places = list(spec.submodule_search_locations or [spec.origin or "built in"]) if spec else []
        if not places:
            raise ImportError(f"Recap's package `{name}` is missing from {ROOT}: install recap-captioner again")
        if Path(places[0]).resolve() != ROOT / name:
            raise ImportError(
                f"`{name}` is {places[0]}, which hides Recap's own in {ROOT}: run Recap in an environment of its own "
                "(uv tool install, pipx install), outside a folder that has such a package"
            )
