"""The lab: its networks have the numbers of the code that they stand for, and its figures can be played with."""

from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import Tensor

from model.cells import CELLS, Cell
from tests.conftest import ROOT
from tests.web.conftest import violations
from training.lab import hello
from training.lab.gradients import Adder, adding_problem, gradient_norms
from training.lab.odyssey.ledger import Row
from training.tasks.text.bptt import truncated_bptt

pytestmark = pytest.mark.browser

VARIANTS = ["peephole", "nig", "nfg", "nog", "niaf", "noaf", "np", "cifg", "fgr"]
TRIALS = ROOT / "tests" / "training" / "lab" / "odyssey" / "trials.csv"


@pytest.fixture
def lab(tab: Page) -> Page:
    """The view, wide."""
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.evaluate("location.hash = 'lab'")
    tab.get_by_role("heading", name="Small networks to play with").wait_for()
    return tab


def figure(page: Page, name: str) -> Any:
    return page.locator(f"[data-figure={name}]")


def numbers(network: hello.Network) -> dict[str, list[float]]:
    """The weights under the page's names."""
    found = {name.replace("cell.", "").replace(".", "_"): weight for name, weight in network.named_parameters()}
    return {name: weight.flatten().tolist() for name, weight in found.items()}


HELLO = """async ([given, steps]) => {
    const {run, spell, START, train} = await import("/web/views/lab/hello.js");
    const began = performance.now();
    const path = train(given ?? START, {steps});
    const milliseconds = performance.now() - began;
    const [before, last] = [path[path.length - 2]?.loss, path[path.length - 1]];
    return {milliseconds, last, before, steps: run(last.weights), word: spell(last.weights)};
}"""


@pytest.mark.parametrize("seed", [1, 2])
def test_hello_trains_in_the_browser_to_the_commands_numbers(lab: Page, seed: int) -> None:
    network, loss = hello.train(seed=seed)
    found = lab.evaluate(
        HELLO, [None if seed == 1 else numbers(untrained(seed)), 200]
    )  # the page has the command's own seed
    assert found["word"] == hello.spell(network) == "hello"
    assert found["milliseconds"] < 1000
    assert found["before"] == pytest.approx(loss, abs=1e-4)
    for name, values in numbers(network).items():
        np.testing.assert_allclose(found["last"]["weights"][name], values, atol=2e-3)
    hidden = torch.zeros(1, 3)
    for letter, step in zip("hell", found["steps"], strict=True):
        with torch.no_grad():
            _, hidden, scores = network.step(letter, hidden)
        np.testing.assert_allclose(step["hidden"], hidden[0], atol=1e-3)
        np.testing.assert_allclose(step["scores"], scores[0], atol=5e-3)


def untrained(seed: int) -> hello.Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return hello.Network()


def test_hello_has_the_commands_numbers_for_its_weights(lab: Page) -> None:
    network, _ = hello.train(seed=3)
    found = lab.evaluate(HELLO, [numbers(network), 0])
    hidden = torch.zeros(1, 3)
    for letter, step in zip("hell", found["steps"], strict=True):
        with torch.no_grad():
            _, hidden, scores = network.step(letter, hidden)
        np.testing.assert_allclose(step["hidden"], hidden[0], atol=1e-6)
        np.testing.assert_allclose(step["scores"], scores[0], atol=1e-5)


def test_hello_is_the_lectures_figure_and_is_played_step_by_step(lab: Page) -> None:
    hello_figure = figure(lab, "hello")
    network, _ = hello.train()
    printed = [line for line in hello.figure(network) if line.startswith("  hidden")]
    shown = hello_figure.get_by_role("img", name="hidden")
    for vector, line in zip(shown.all(), printed, strict=True):
        expected = [float(number) for number in line.split("[")[1].rstrip("]").split()]
        told = (vector.get_attribute("aria-label") or "").removeprefix("hidden: ").replace("−", "-").split(", ")
        np.testing.assert_allclose([float(number) for number in told], expected, atol=0.051)
    expect(hello_figure.locator(".spelt")).to_contain_text("After 200 steps it spells hello")
    steps = hello_figure.get_by_role("slider", name="Training step")
    steps.fill("0")
    expect(hello_figure.locator(".spelt")).not_to_contain_text("spells hello,")
    hello_figure.get_by_role("button", name="Train it").click()
    expect(hello_figure.locator(".spelt")).to_contain_text("After 200 steps it spells hello")
    hello_figure.get_by_role("slider", name="Hidden numbers").fill("1")
    expect(hello_figure.locator(".hello-step").first.get_by_role("img", name="hidden").locator("span")).to_have_count(1)
    hello_figure.get_by_role("button", name="The command's weights").click()
    expect(hello_figure.locator(".spelt")).to_contain_text("spells hello, with a loss of 0.009")
    hello_figure.get_by_text("As a table").click()
    expect(hello_figure.locator("table tbody tr")).to_have_count(4)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_gradients_are_those_of_autograd(lab: Page, kind: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = Adder(kind, 6)
    inputs, targets = adding_problem(1, 12, torch.Generator().manual_seed(5))
    expected = gradient_norms(network, inputs, targets)
    (cell,) = network.recurrent.cells()
    weights = {name: parameter.flatten().tolist() for name, parameter in cell.named_parameters()}
    weights |= {f"output_{name}": weight.flatten().tolist() for name, weight in network.output.named_parameters()}
    found = lab.evaluate(
        """async (parts) => (await import("/web/views/lab/unrolled.js")).gradientNorms(...parts)""",
        [kind, weights, inputs[0].tolist(), targets.item()],
    )
    assert found.keys() == expected.keys()
    for name, norms in expected.items():
        np.testing.assert_allclose(found[name], norms, rtol=1e-5)


def test_arrows_are_as_wide_as_the_gradients(lab: Page) -> None:
    gradients = figure(lab, "gradients")
    gradients.get_by_text("As a table").click()
    widths = "(arrows) => arrows.map(({points}) => Math.abs(points[0].y - points[points.numberOfItems - 1].y))"
    reach = gradients.get_by_role("status")
    told = set()
    for kind in ("RNN", "GRU", "LSTM"):
        gradients.get_by_text(kind, exact=True).click()
        rows = gradients.locator("tbody tr td:nth-child(2)").all_inner_texts()
        norms = np.array([float(text) for text in rows])
        wide = np.array(gradients.locator(".backward").evaluate_all(widths))[::-1]  # the last arrow goes back one step
        np.testing.assert_allclose(wide, 26 * norms[1:] / norms[1:].max(), atol=0.02)
        told.add(reach.inner_text())
    assert len(told) == 3
    before = norms[-1] / norms[0]
    gradients.get_by_role("slider", name="Forget-gate bias").fill("5")
    rows = gradients.locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert float(rows[-1]) / float(rows[0]) > 10 * before


def reference(variant: str, weights: dict[str, Any], inputs: list[list[float]]) -> list[dict[str, float]]:
    """The page's cell of one number, as the model's."""
    cell = CELLS[f"lstm-{variant}"](2, 1)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor([weights["input"][block] for block in cell.blocks]))
        cell.weight_hh.copy_(torch.tensor([[weights["hidden"][block]] for block in cell.blocks]))
        cell.bias_ih.copy_(torch.tensor([weights["bias"][block] for block in cell.blocks]))
        cell.bias_hh.zero_()
        for name, parameter in cell.named_parameters():
            if name.startswith("peephole_"):
                parameter.fill_(weights["peephole"][name[-1]])
            elif name == "weight_gates":
                parameter.copy_(torch.tensor(weights["gates"]))
        return list(steps_of(cell, inputs))


def steps_of(cell: Cell, inputs: list[list[float]]) -> Any:
    state = cell.zero_state(torch.zeros(1, 2))
    for x in inputs:
        from_state = cell.recurrent_input(state) @ cell.recurrent_weight().t() + cell.bias_hh
        gates, state = cell.equations(cell.project(torch.tensor([x])), from_state, state)
        yield {name: value.item() for name, value in {**gates, "h": state[0], "c": state[1]}.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_cells_are_the_models_variants(lab: Page, variant: str) -> None:
    inputs = [[0.4, 1], [-0.9, 0], [0.7, 0], [-0.6, 1], [1.0, 0]]
    found = lab.evaluate(
        """async ([variant, inputs]) => {
            const {MEMORY, run} = await import("/web/views/lab/cell.js");
            return {weights: MEMORY, states: run(variant, MEMORY, inputs)};
        }""",
        [variant, inputs],
    )
    for ours, theirs in zip(found["states"], reference(variant, found["weights"], inputs), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_gates_are_shown_and_parts_taken_away(lab: Page) -> None:
    gates = figure(lab, "gates")
    expect(gates.locator("math")).to_have_count(6)
    expect(gates.locator(".part-box.missing")).to_have_count(0)
    marks = gates.get_by_role("list", name="The sequence").get_by_role("button")
    pressed = [mark.get_attribute("aria-pressed") for mark in marks.all()]
    assert pressed.count("true") == 2
    before = gates.get_by_role("status").inner_text()
    gates.get_by_role("combobox", name="Variant").select_option("no forget gate")
    expect(gates.locator(".part-box.missing .letter")).to_have_text("f")
    expect(gates.locator(".formulas .missing")).to_have_count(1)
    assert "f 1," in gates.get_by_role("status").inner_text() != before
    marks.nth(4).press("Enter")
    expect(marks.nth(4)).to_have_attribute("aria-pressed", "true")
    expect(marks.nth(4)).to_be_focused()
    expect(gates.get_by_role("status")).to_contain_text("Step 5: number −0.2, marked")


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (4, 10), (5, 3), (7, 24), (24, 6)])
def test_brackets_are_where_backpropagation_is_cut(lab: Page, k1: int, k2: int) -> None:
    """The function itself, watched: where its windows begin, and how many losses each of them has."""
    scored: list[int] = []
    runs: list[tuple[int, int]] = []

    def network(inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        if torch.is_grad_enabled():
            runs.append((int(inputs[0, 0, 0]), int(inputs[0, -1, 0]) + 1))
        return inputs * weight, (inputs[:, -1],)

    def criterion(outputs: Tensor, targets: Tensor) -> Tensor:
        scored.append(outputs.shape[1])
        return outputs.sum()

    weight = torch.ones((), requires_grad=True)
    inputs = torch.arange(24.0).view(1, 24, 1)
    expected = []
    for chunk in truncated_bptt(network, criterion, inputs, inputs, k1=k1, k2=k2):
        expected.append((chunk.end - scored[-1], chunk.end, min(begin for begin, _ in runs)))
        runs.clear()
    found = lab.evaluate(
        """async ([k1, k2]) => (await import("/web/views/lab/truncation.js")).windows(24, k1, k2)""", [k1, k2]
    )
    assert [(window["scored"], window["end"], window["start"]) for window in found] == expected


def test_brackets_slide(lab: Page) -> None:
    truncation = figure(lab, "truncation")
    truncation.get_by_role("slider", name="k1").fill("6")
    truncation.get_by_role("slider", name="k2").fill("9")
    truncation.get_by_role("slider", name="Gradient", exact=True).fill("3")
    expect(truncation.get_by_role("status")).to_have_text(
        "Gradient 3 of 4: the losses of steps 13 to 18, back to step 10."
    )
    expect(truncation.locator("circle.lit")).to_have_count(9)
    expect(truncation.locator("circle.scored")).to_have_count(6)


def test_study_says_that_it_has_not_been_run_and_opens_anothers(lab: Page) -> None:
    study = figure(lab, "variants")
    told = study.get_by_role("status")
    expect(told).to_contain_text("This study has not been run for this version of Recap")
    with lab.expect_file_chooser() as chooser:
        study.get_by_role("button", name="Open a study's trials.csv").click()
    chooser.value.set_files(TRIALS)
    expect(told).to_contain_text("trials.csv: 480 trials.")
    expect(study.locator(".box")).to_have_count(6)
    dots = study.locator(".trial")
    expect(dots).to_have_count(24)  # a tenth of 40, of six cells
    lab.set_viewport_size({"width": 320, "height": 640})
    assert lab.evaluate("document.documentElement.scrollWidth <= document.body.clientWidth")
    lab.set_viewport_size({"width": 1280, "height": 800})
    dots.nth(5).click()
    expect(told).to_contain_text("error")
    first = told.inner_text()
    lab.keyboard.press("ArrowRight")
    expect(told).not_to_have_text(first)
    chart = study.locator("svg.boxes")
    expect(chart).to_have_attribute(
        "aria-label", "Error on sequences held out, on chorales; less is better. Arrow keys go from trial to trial."
    )
    study.get_by_role("combobox", name="Task").select_option("phones")
    expect(chart).to_have_attribute(
        "aria-label", "Error on sequences held out, on phones; less is better. Arrow keys go from trial to trial."
    )
    with lab.expect_file_chooser() as chooser:
        study.get_by_role("button", name="Open a study's trials.csv").click()
    chooser.value.set_files(ROOT / "pyproject.toml")
    expect(told).to_contain_text("pyproject.toml is no list of trials: its first line names no column 'task'")


def test_file_for_the_study_has_the_columns_of_one() -> None:
    head, *rows = (ROOT / "app" / "web" / "views" / "lab" / "trials.csv").read_text(encoding="utf-8").splitlines()
    assert head.split(",") == list(Row._fields)
    assert rows == []  # with rows, the page no longer says that the study has not been run


def test_figures_have_addresses(lab: Page) -> None:
    lab.get_by_role("navigation", name="Figures").get_by_role("link", name="Truncation").click()
    expect(figure(lab, "truncation")).to_be_in_viewport()
    expect(figure(lab, "truncation")).to_be_focused()


def test_axe_finds_nothing(still: Page, server: str) -> None:
    still.goto(f"{server}/#lab")
    with still.expect_file_chooser() as chooser:
        still.get_by_role("button", name="Open a study's trials.csv").click()
    chooser.value.set_files(TRIALS)
    still.locator(".trial").first.wait_for()
    still.get_by_role("combobox", name="Variant").select_option("no input gate")
    assert violations(still) == ""
