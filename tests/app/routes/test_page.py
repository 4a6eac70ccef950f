"""The page's files, as a browser is given them."""

import re
from pathlib import Path

import httpx2
import pytest

from app.routes.page import WEB

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}


@pytest.mark.parametrize("file", sorted(WEB.iterdir()), ids=lambda file: file.name)
def test_every_file_is_served_as_what_it_is(client: httpx2.Client, file: Path) -> None:
    response = client.get("/" if file.name == "index.html" else f"/web/{file.name}")
    assert response.status_code == 200
    assert response.content == file.read_bytes()
    assert response.headers["content-type"] == TYPES[file.suffix]
    assert response.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in response.headers["content-security-policy"]
    compressed = response.headers.get("content-encoding") == "gzip"
    assert compressed == (file.suffix != ".jpg" and file.stat().st_size >= 500)


@pytest.mark.parametrize("path", ["/", "/web/main.js"])
def test_a_browser_that_has_it_is_told_so(client: httpx2.Client, path: str) -> None:
    etag = client.get(path).headers["etag"]
    again = client.get(path, headers={"if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"if-none-match": '"another"'}).status_code == 200


@pytest.mark.parametrize("path", ["/web/", "/web/nothing.js", "/web/..%2fmain.py", "/web/%2e%2e/main.py"])
def test_nothing_else_is_there(client: httpx2.Client, path: str) -> None:
    refused = client.get(path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")


def test_it_is_only_to_be_read(client: httpx2.Client) -> None:
    assert client.post("/").status_code == 405


def test_it_names_nothing_from_elsewhere_and_has_nothing_inline() -> None:
    """What the policy forbids would be missing, and what is from elsewhere would tell where the page is read."""
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", page) == []
    for file in WEB.iterdir():
        if file.suffix != ".jpg":
            urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\"' ]*", file.read_text(encoding="utf-8")))
            assert urls <= {"http://www.w3.org/2000/svg"}, file


def test_modules_are_asked_for_before_they_are_found() -> None:
    """Else a browser learns of each only when it has read the one before."""

    needed, waiting = set[str](), ["main.js"]
    while waiting:
        module = (WEB / waiting.pop()).read_text(encoding="utf-8")
        new = set(re.findall(r'^import .*?from "\./([\w.]+)"', module, re.MULTILINE)) - needed
        needed |= new
        waiting += new
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert sorted(re.findall(r'<link rel="modulepreload" href="web/([\w.]+)">', page)) == sorted(needed)
