"""Cells that one can read: those of a language model whose activity follows something in the text."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError

from model.config import Config
from model.files import read_bytes


class ReadableCell(Config, use_attribute_docstrings=True):
    """A cell, and the trait of the text that it follows."""

    layer: Annotated[int, Field(ge=1)]
    """From 1, the layer that reads the text."""
    cell: Annotated[int, Field(ge=0)]
    """Its place in the layer, from 0."""
    trait: Annotated[str, Field(min_length=1, max_length=40)]
    """A short, stable name, for programs."""
    label: Annotated[str, Field(min_length=1, max_length=100)]
    """The trait in words."""
    r: Annotated[float, Field(ge=-1, le=1)]
    """Correlation with the trait over text on which the cell was not chosen, which the model was not trained on either:
    of tanh(c), or of h for cells without c."""


class ReadableCells(Config):
    """The readable cells of a language model; see `training.lab.cells`, which finds them."""

    data_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # of the text that the held-out part is from
    chosen_on: Annotated[int, Field(ge=1)]  # tokens
    reported_on: Annotated[int, Field(ge=1)]  # tokens, others
    cells: tuple[ReadableCell, ...]  # the strongest correlation first

    @classmethod
    def read(cls, path: Path) -> Self:
        """The cells in a JSON file; see `model.task.AssetKind`."""
        try:
            return cls.model_validate_json(read_bytes(path))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise ValueError(f"{where}: {first['msg']}") from error

    def write(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def require(self, num_layers: int, hidden_size: int) -> None:
        """Raises ValueError for a cell that so many layers of this size don't have."""
        for found in self.cells:
            if found.layer > num_layers or found.cell >= hidden_size:
                raise ValueError(
                    f"cell {found.cell} of layer {found.layer} is readable, but there are {num_layers} layers of "
                    f"{hidden_size} cells"
                )
