"""The page's files, as a browser is given them."""

import re
from pathlib import Path
from shutil import copytree

import httpx2
import pytest

from app.routes.page import WEB, index, modules, views

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".json": "application/json",
}


FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_what_it_is(client: httpx2.Client, name: str) -> None:
    file = WEB / name
    response = client.get("/" if name == "index.html" else f"/web/{name}")
    assert response.status_code == 200
    assert response.content == (index().encode() if name == "index.html" else file.read_bytes())
    assert response.headers["content-type"] == TYPES[file.suffix]
    assert response.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in response.headers["content-security-policy"]
    compressed = response.headers.get("content-encoding") == "gzip"
    assert compressed == (file.suffix != ".jpg" and file.stat().st_size >= 500)


@pytest.mark.parametrize("path", ["/", "/web/shell/main.js"])
def test_a_browser_that_has_it_is_told_so(client: httpx2.Client, path: str) -> None:
    etag = client.get(path).headers["etag"]
    again = client.get(path, headers={"if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"if-none-match": '"another"'}).status_code == 200


@pytest.mark.parametrize("path", ["/web/", "/web/views", "/web/nothing.js", "/web/..%2fmain.py", "/web/%2e%2e/main.py"])
def test_nothing_else_is_there(client: httpx2.Client, path: str) -> None:
    refused = client.get(path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")


def test_it_is_only_to_be_read(client: httpx2.Client) -> None:
    assert client.post("/").status_code == 405


def test_it_names_nothing_from_elsewhere_and_has_nothing_inline() -> None:
    """What the policy forbids would be missing, and what is from elsewhere would tell where the page is read."""
    page = index()
    assert re.findall(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", page) == []
    for name in FILES:
        if not name.endswith(".jpg"):
            urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\"' ]*", (WEB / name).read_text(encoding="utf-8")))
            assert urls <= {"http://www.w3.org/2000/svg"}, name


def named(kind: str, page: str) -> list[str]:
    return re.findall(rf'<link rel="{kind}" href="web/([^"]+)">', page)


def test_modules_and_styles_are_asked_for_before_they_are_found() -> None:
    """Else a browser learns of each module only when it has read the one before."""
    preloaded = named("modulepreload", index())
    assert len(preloaded) == len(set(preloaded))
    assert all((WEB / name).is_file() for name in preloaded)
    assert {"views/index.js", "views/captioning/album.js", "shell/api.js", "shell/events.js"} <= set(preloaded)
    assert set(preloaded).isdisjoint(
        {"shell/main.js", "views/captioning/bench.js", "views/text/desk.js", "views/captioning/beam-tree.js"}
    )
    styles = named("stylesheet", index())
    sheets = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*.css"))
    assert sorted(styles) == [sheet for sheet in sheets if not sheet.startswith("reference/")]  # another page's
    assert styles[0] == "shell/base.css"  # which the others build on


def test_the_first_view_is_there_before_any_script() -> None:
    page = index()
    assert (WEB / "views" / "captioning.html").read_text(encoding="utf-8") in page
    assert "<!--" not in page  # every slot was filled


def test_a_view_is_a_line_and_a_file(tmp_path: Path) -> None:
    web = tmp_path / "web"
    copytree(WEB, web)
    registry = web / "views" / "index.js"
    lines = registry.read_text(encoding="utf-8").replace(
        '  import("./inside.js"),\n', '  import("./echo.js"),\n  import("./inside.js"),\n'
    )
    registry.write_text(lines, encoding="utf-8")
    (web / "views" / "echo.js").write_text(
        'import { ask } from "../shell/api.js";\n\nimport {\n  parrot,\n} from "./echo/parrot.js";\n', encoding="utf-8"
    )
    (web / "views" / "echo.css").write_text(".echo { color: red; }\n", encoding="utf-8")
    (web / "views" / "echo").mkdir()
    (web / "views" / "echo" / "parrot.js").write_text("export const parrot = null;\n", encoding="utf-8")
    assert views(web) == [*views()[:-1], "echo", "inside"]
    new = {"views/echo.js", "views/echo/parrot.js"}
    assert set(modules(web)) - set(modules()) == new
    assert new <= set(named("modulepreload", index(web)))
    assert named("stylesheet", index(web))[-2:] == ["views/echo.css", "views/inside.css"]


def test_examples_are_small() -> None:
    examples = list((WEB / "views" / "captioning" / "examples").iterdir())
    assert len(examples) == 5
    assert sum(example.stat().st_size for example in examples) < 100_000
