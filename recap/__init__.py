"""Recap's Python API: captions and texts from its models, without a server.

    from recap import Captioner

    captioner = Captioner.load()
    caption = captioner("photo.jpg")
    print(caption, caption.confidence)

Everything is imported on first use, so that `import recap` does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recap.installation import checkpoints_folder, require_own_packages

if TYPE_CHECKING:
    from recap.captioner import Caption, Captioner, PictureError, Tag
    from recap.language_model import LanguageModel, Text

__all__ = ["Caption", "Captioner", "LanguageModel", "PictureError", "Tag", "Text", "checkpoints_folder"]

_HOMES = dict.fromkeys(("Caption", "Captioner", "PictureError", "Tag"), "recap.captioner")
_HOMES |= dict.fromkeys(("LanguageModel", "Text"), "recap.language_model")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_own_packages()
    return getattr(import_module(_HOMES[name]), name)
