"""The registry: a view is a file and a line; one that does not load can be opened again; models need no view."""

from collections.abc import Iterator
from shutil import copytree
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from app.main import create_app
from app.routes import page as page_module
from app.settings import Settings
from tests.app.conftest import serving
from tests.conftest import ROOT
from tests.web.conftest import Open, caption_example

pytestmark = pytest.mark.browser

ECHO = """/** Echo: what is sent comes back. */

import { ask } from "../shell/api.js";
import { element } from "../shell/element.js";

/** @type {import("../shell/view.js").View} */
export default {
  title: "Echo",
  hash: "echo",
  icon: "M4 12h16m-6-6 6 6-6 6",
  task: "echo",

  async mount({ section }) {
    const { data } = await ask("v1/models");
    section.append(element("h1", { class: "echo" }, `${data.length} model`));
  },

  inside: async () => element("section", { class: "panel", "aria-label": "Echoes" }, "None yet."),

  about: ({ repeats }) => ({ facts: [["Repeats", `${repeats} times`]], sample: ["3 sentences"] }),
};
"""

FIGURES = [
    {"name": "wer", "label": "word errors", "value": 0.125, "split": "dev", "higher_is_better": False},
    {"name": "exact", "label": "exact", "value": 0.75, "split": "dev", "higher_is_better": True},
]


def add_model(figures: list[dict[str, Any]]) -> Any:
    """Answers `/v1/models` with one more model, whose task the service lacks."""

    def add(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        card = {"id": "parrot", "object": "model", "task": "echo", "default": True, "sha256": "0" * 64, "repeats": 2}
        answer["data"].append(card | {"metrics": {"figures": figures}, "card": "# parrot\n\nIt echoes."})
        route.fulfill(response=response, json=answer)

    return add


def choose_parrot(page: Page) -> None:
    page.get_by_role("combobox", name="Model").locator("visible=true").select_option("parrot")
    expect(page.locator(".card-text")).to_contain_text("It echoes.")


@pytest.fixture(scope="module")
def eighth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server whose page has one more view: a file with its styles, and a line."""
    folder = tmp_path_factory.mktemp("eighth")
    web = folder / "web"
    copytree(page_module.WEB, web)
    registry = web / "views" / "index.js"
    lines = registry.read_text(encoding="utf-8")
    registry.write_text(
        lines.replace('  import("./inside.js"),\n', '  import("./echo.js"),\n  import("./inside.js"),\n')
    )
    (web / "views" / "echo.js").write_text(ECHO, encoding="utf-8")
    (web / "views" / "echo.css").write_text(".echo { font-size: 42px; }\n", encoding="utf-8")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "shakespeare").symlink_to(ROOT / "checkpoints" / "shakespeare")
    app = create_app(Settings(checkpoints=folder / "checkpoints", threads=1))
    kept = [route for route in app.router.routes if route not in page_module.routes]
    app.router.routes[:] = [*kept, *page_module.page_routes(web)]
    with serving(app) as client:
        yield str(client.base_url).rstrip("/")


def test_a_view_is_a_file_and_a_line(open_page: Open, eighth: str) -> None:
    page = open_page(url=eighth)
    names = page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts()
    assert names[-2:] == ["Echo", "Look inside"]
    page.get_by_role("link", name="Echo").click()
    heading = page.get_by_role("heading", name="1 model")
    expect(heading).to_be_visible()
    expect(heading).to_have_css("font-size", "42px")
    expect(page).to_have_title("Echo · Recap")
    assert page.url.endswith("#echo")
    page.route("**/v1/models", add_model(FIGURES))
    page.reload()
    expect(page.get_by_role("heading", name="2 model")).to_be_visible()
    page.get_by_role("link", name="Look inside").click()
    expect(page.get_by_role("region", name="Echoes")).to_have_text("None yet.")
    choose_parrot(page)
    assert page.locator(".parts-of").inner_text().split("\n") == ["Repeats", "2 times", "Weights", "0" * 16]
    expect(page.locator(".about-model .hint")).to_have_text("on dev, 3 sentences")


def test_a_model_whose_task_has_no_view_is_shown_with_its_figures(open_page: Open, server: str) -> None:
    page = open_page()
    page.route("**/v1/models", add_model([*FIGURES, {**FIGURES[1], "value": 0.5, "split": "test"}]))
    page.reload()
    page.get_by_role("link", name="Look inside").click()
    choose_parrot(page)
    assert page.locator(".figures dt").all_inner_texts() == ["word errors, dev", "exact, dev", "exact, test"]
    assert page.locator(".figures dd").all_inner_texts() == ["0.125", "0.750", "0.500"]
    expect(page.locator(".figures > div").first).to_have_attribute("title", "Lower is better")
    assert page.locator(".parts-of").inner_text().split("\n") == ["Weights", "0" * 16]
    page.get_by_role("link", name="Caption", exact=True).click()
    caption_example(page)
    expect(page.get_by_role("combobox", name="Model").locator("visible=true")).to_have_count(0)  # one captioner
    page.get_by_role("link", name="Write").click()
    options = page.locator("#view-write").get_by_role("combobox", name="Model").get_by_role("option")
    expect(options).to_have_text(["latex", "linux-c", "shakespeare"])


def test_a_view_that_did_not_load_is_loaded_when_it_is_opened_again(open_page: Open, errors: list[str]) -> None:
    page = open_page()
    page.route("**/views/text/desk.js", lambda route: route.abort("connectionrefused"))
    page.get_by_role("link", name="Write").click()
    notice = page.get_by_role("alert").filter(has_text="This view could not be loaded.")
    expect(notice).to_be_visible()
    assert len(errors) == 1
    assert "desk.js" in errors.pop()
    page.get_by_role("link", name="Batch").click()
    expect(notice).to_be_hidden()
    page.unroute("**/views/text/desk.js")
    page.get_by_role("link", name="Write").click()
    expect(page.get_by_role("heading", name="How will it go on?")).to_be_visible()
    expect(notice).to_be_hidden()


def test_the_dialog_for_a_key_shows_all_that_it_says(page: Page) -> None:
    page.evaluate("""async () => {
        const {askForKey} = await import("/web/shell/keys.js");
        const {Failure} = await import("/web/shell/failure.js");
        askForKey(new Failure({status: 401, code: "missing_api_key", message: "an API key is needed"}));
    }""")
    dialog = page.get_by_role("dialog", name="This server wants a key")
    expect(dialog).to_have_css("border-radius", "20px")  # not the ellipse of a legend
    expect(dialog).to_have_css("padding", "24px")
