"""Annotations in JSON, validated against the part of their schema that Recap reads."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from model.files import read_bytes
from training.data.base import DataError

Records = TypeVar("Records", bound=BaseModel)


def read_records(schema: type[Records], path: Path) -> Records:
    """Reads a JSON file; members that the schema does not name are ignored.

    Raises:
        DataError: the file can't be read, is no JSON, or lacks something; the message says where.
    """
    try:
        return schema.model_validate_json(read_bytes(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from error
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: {error}") from error
