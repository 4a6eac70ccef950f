"""The reference of the API at /docs: all that openapi.json has, without internet, and what is tried is answered."""

import shlex
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.conftest import Visit, violations

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def document(server: str) -> Any:
    return httpx2.get(f"{server}/openapi.json", timeout=60).json()  # it is made for the first who asks


@pytest.fixture
def reference(visit: Visit, server: str) -> Any:
    with visit() as open_page:
        page = open_page("docs")
        expect(page.get_by_role("region", name="GET /v1/models/{name}").get_by_label("Code")).to_contain_text(
            "models/shakespeare"
        )
        yield page


def test_every_request_and_parameter_is_there(reference: Page, document: Any, server: str) -> None:
    page = reference
    names = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert names
    assert all(name.startswith(f"{server}/") for name in names)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            section = page.get_by_role("region", name=f"{method.upper()} {path}", exact=True)
            expect(section).to_have_count(1)
            told = section.text_content() or ""
            for parameter in operation.get("parameters", []):
                assert parameter["name"] in told
            for status in operation["responses"]:
                assert status in told
    links = page.get_by_role("navigation", name="Requests").get_by_role("link")
    expect(links).to_have_count(sum(len(methods) for methods in document["paths"].values()))


def test_what_is_tried_is_answered_and_the_curl_line_asks_the_same(reference: Page, server: str) -> None:
    page = reference
    section = page.get_by_role("region", name="POST /v1/captions", exact=True)
    section.get_by_text("Try it").click()
    section.get_by_label("method", exact=True).select_option("greedy")
    line = section.locator(".answer pre").first
    expect(line).to_contain_text("method=greedy")
    assert shlex.split(line.inner_text()) == ["curl", "-F", "image=@photo.jpg", f"{server}/v1/captions?method=greedy"]
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("status")).to_contain_text("200")
    expect(section.get_by_label("Answer")).to_contain_text("camera")
    section.get_by_label("beam_size", exact=True).fill("99")
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("status")).to_have_text("422")
    expect(section.get_by_label("Answer")).to_contain_text("less than or equal to 10")


def test_without_scripts_there_is_a_list(browser: Browser, server: str, document: Any) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{server}/docs")
        for path in document["paths"]:
            expect(page.locator("li code").filter(has_text=path).first).to_be_visible()


def test_axe_finds_nothing_in_the_reference(still: Page, server: str) -> None:
    still.goto(f"{server}/docs")
    still.locator("html[data-ready]").wait_for()
    section = still.get_by_role("region", name="POST /v1/captions", exact=True)
    for summary in section.locator("summary").all():
        summary.click()
    assert violations(still) == ""
