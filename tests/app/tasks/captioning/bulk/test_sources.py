"""Sources of pictures: each lists them once, in order, and reads what it has listed."""

import io
import os
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from app.tasks.captioning.bulk.sources import Source, name_of, source
from app.tasks.captioning.bulk.storage import StorageError, UnreadableError

FILES = {f"{number}.jpg": f"picture {number}".encode() for number in range(5)}


def read_all(found: Source, first: int = 0, number: int = 100) -> dict[str, bytes]:
    """Name -> contents, of rows in a slice."""
    rows = list(found.rows())[first : first + number]
    readers = found.readers(rows, first)
    contents = {name_of(row): reader() for row, reader in zip(rows, readers, strict=True)}
    found.close()
    return contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for name, contents in FILES.items():
        (folder / ("more" if name == "4.jpg" else "") / name).write_bytes(contents)
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.jpg").write_text("x")
    return folder


def test_folder_has_its_pictures_and_those_further_down(folder: Path) -> None:
    assert read_all(source(str(folder))) == {
        ("more/" if name == "4.jpg" else "") + name: contents for name, contents in FILES.items()
    }


def test_what_vanishes_is_unreadable(folder: Path) -> None:
    found = source(str(folder))
    rows = list(found.rows())
    (folder / "0.jpg").unlink()
    with pytest.raises(UnreadableError, match="no such file"):
        found.readers(rows, 0)[0]()


def test_list_names_files_below_its_folder_or_anywhere(folder: Path, tmp_path: Path) -> None:
    names = [b"pictures/0.jpg", os.fsencode(folder / "1.jpg"), b"pictures/caf\xe9.jpg"]
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"e")
    (tmp_path / "todo.txt").write_bytes(b"\n".join(names) + b"\n\n")
    assert read_all(source(str(tmp_path / "todo.txt"))) == {
        "pictures/0.jpg": FILES["0.jpg"],
        str(folder / "1.jpg"): FILES["1.jpg"],
        os.fsdecode(names[2]): b"e",
    }


def test_tar_has_its_pictures(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard-000.tar", "w") as tar:
        for name, contents in {**FILES, "0.json": b"{}"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    assert read_all(source(str(tmp_path / "shard-000.tar"))) == FILES


def test_compressed_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w:gz"):
        pass
    with pytest.raises(StorageError, match="an uncompressed tar is needed"):
        list(source(str(tmp_path / "x.tar")).rows())


def test_shorter_tar_than_that_of_the_manifest_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.tar"
    file.write_bytes(b"x" * 10)
    with pytest.raises(StorageError, match="not the file that the manifest was made of"):
        source(str(file)).readers([["0.jpg", 8, 5]], 0)[0]()


@pytest.mark.parametrize("form", ["bytes", "struct", "names"])
@pytest.mark.parametrize("first", [0, 3])
def test_parquet_has_bytes_or_names_in_a_column(folder: Path, tmp_path: Path, form: str, first: int) -> None:
    (folder / "more" / "4.jpg").rename(folder / "4.jpg")
    columns: dict[str, list[Any]] = {
        "bytes": list(FILES.values()),
        "struct": [{"bytes": contents, "path": name} for name, contents in FILES.items()],
        "names": [f"pictures/{name}" for name in FILES],
    }
    column = columns[form]
    names = {"bytes": map(str, range(5)), "struct": FILES, "names": [f"pictures/{name}" for name in FILES]}[form]
    table = pyarrow.table({"id": range(5), "photo": column})
    parquet.write_table(table, tmp_path / "todo.parquet", row_group_size=2)
    expected = dict(zip(names, FILES.values(), strict=True))
    found = read_all(source(str(tmp_path / "todo.parquet"), "photo"), first, 2)
    assert found == dict(list(expected.items())[first : first + 2])


def test_parquet_rows_may_be_empty(tmp_path: Path) -> None:
    table = pyarrow.table({"image": [b"x", None]})
    parquet.write_table(table, tmp_path / "todo.parquet")
    with closing(source(str(tmp_path / "todo.parquet"))) as found:
        there, missing = found.readers(list(found.rows()), 0)
    assert there() == b"x"
    with pytest.raises(UnreadableError, match="nothing in this row"):
        missing()


def test_what_is_wrong_with_a_parquet_file_is_told(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"photo": [b"x"]}), tmp_path / "todo.parquet")
    (tmp_path / "not.parquet").write_text("x" * 100)
    for name, says in (("todo", "no column 'image'; it has photo; name one with --column"), ("not", r"not\.parquet: ")):
        with (
            closing(source(str(tmp_path / f"{name}.parquet"))) as found,
            pytest.raises(StorageError, match=says),
        ):
            list(found.rows())
