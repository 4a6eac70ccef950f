"""The three tasks: what their readers make of files, their losses and measures against plain ones, and bad files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, ctc_loss

from training.data.base import DataError
from training.lab.odyssey.phones import collapse, mel_filters, steps_of
from training.lab.odyssey.search import PROBLEMS, open_problem
from training.lab.odyssey.strokes import SPACING
from training.lab.odyssey.strokes import steps_of as pen_steps

K = 2


def test_chorales_foretell_every_step_but_the_first(data: Path) -> None:
    problem = open_problem("chorales", data)
    assert [len(part.inputs) for part in (problem.train, problem.dev, problem.held)] == [10, 2, 2]
    first, target = problem.train.inputs[0], problem.train.targets[0]
    assert first.shape == target.shape == (11, 88)
    assert torch.equal(first[1:], target[:-1])
    assert first[0].nonzero()[:, 0].tolist() == [43 - 21, 55 - 21]
    batch = problem.dev.batch([0, 1])
    scores = torch.randn(K, batch.inputs.shape[0] * 2, 88)
    by_step = scores.view(K, -1, 2, 88)
    sums, steps = problem.faults(scores, batch)
    for network in range(K):
        nats = [
            binary_cross_entropy_with_logits(by_step[network, : len(each), place], each, reduction="sum")
            for place, each in enumerate(problem.dev.targets)
        ]
        assert sums[network].item() == pytest.approx(sum(nats).item(), rel=1e-5)  # type: ignore[union-attr]
    assert steps == sum(len(each) for each in problem.dev.inputs)
    torch.testing.assert_close(problem.losses(scores, batch), sums / steps)


def test_phones_of_other_speakers_make_dev_and_held(data: Path) -> None:
    problem = open_problem("phones", data)
    assert [len(part.inputs) for part in (problem.train, problem.dev, problem.held)] == [12, 2, 2]
    assert problem.output_size == 1 + len({"Y", "EH", "S", "N", "OW", "AH"})
    names = [[None, *problem.phones][number] for number in problem.train.targets[1]]  # type: ignore[attr-defined]
    assert names == ["N", "OW", "N", "OW"]
    assert problem.train.inputs[0].shape == (33, 120)  # a second in steps of 30 ms
    assert torch.cat(problem.train.inputs).std().item() == pytest.approx(1)
    batch = problem.train.batch([0, 1])
    scores = torch.randn(K, len(batch.inputs) * 2, problem.output_size)
    by_step = scores.view(K, -1, 2, problem.output_size).log_softmax(-1)
    for network, loss in enumerate(problem.losses(scores, batch)):
        nats = [
            ctc_loss(
                by_step[network, :length, place], torch.tensor(target), length[None], torch.tensor([len(target)]),
                reduction="sum",
            )
            for place, (length, target) in enumerate(zip(batch.lengths, batch.targets, strict=True))
        ]  # fmt: skip
        assert loss.item() == pytest.approx(sum(nats).item() / 7, rel=1e-5)  # type: ignore[union-attr]


def test_the_phone_error_rate_counts_edits(data: Path) -> None:
    problem = open_problem("phones", data)
    batch = problem.train.batch([0, 1])
    paths = torch.zeros(len(batch.inputs), 2, dtype=torch.long)
    for place, target in enumerate(batch.targets):
        paths[2 : 2 + 2 * len(target) : 2, place] = torch.tensor(target)
    scores = torch.nn.functional.one_hot(paths, problem.output_size).float().flatten(0, 1)  # (T N, V)
    wrong = paths.clone()
    wrong[2, 0] = 0  # one left out
    wrong[20, 1] = 1  # one too many
    others = torch.nn.functional.one_hot(wrong, problem.output_size).float().flatten(0, 1)
    sums, count = problem.faults(torch.stack([scores, others]), batch)
    assert (sums.tolist(), count) == ([0, 2], 7)


def test_paths_collapse() -> None:
    assert collapse(torch.tensor([0, 3, 3, 0, 3, 1, 1, 0, 0])) == [3, 3, 1]


@pytest.mark.parametrize("hertz", [400, 1000, 3000])
def test_a_tone_is_loudest_in_the_band_around_it(hertz: int) -> None:
    filters = mel_filters()
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(16_000) / 16_000)
    quiet = 1e-3 * torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    heard = steps_of(torch.cat([quiet, tone]), filters).view(-1, 40)  # loud against the band's own mean
    band = int(heard[150].argmax())
    peak = int(filters[band].argmax()) * 16_000 / 512
    assert abs(peak - hertz) < 16_000 / 512 + hertz * 0.1


def test_strokes_keep_their_ways(data: Path) -> None:
    square = [np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0]]), np.array([[0.0, 100.0], [0.0, 50.0]])]
    steps = pen_steps(square)
    torch.testing.assert_close(steps[:, :2].sum(0) * SPACING, torch.tensor([0.0, 0.5]))
    assert steps[:, 2].sum() == 1
    lifted = int(steps[:, 2].argmax())
    torch.testing.assert_close(steps[lifted, :2] * SPACING, torch.tensor([-1.0, 0.0]))
    ways = torch.cat([steps[:lifted], steps[lifted + 1 :]])[:, :2].norm(dim=1)
    assert ways.max() < 1.2
    torch.testing.assert_close(pen_steps([stroke * 7 for stroke in square]), steps)
    assert pen_steps([np.array([[3.0, 4.0]])]).tolist() == [[0, 0, 0]]
    problem = open_problem("strokes", data)
    assert [len(part.inputs) for part in (problem.train, problem.dev, problem.held)] == [42, 9, 9]
    assert problem.output_size == 3


def test_characters_are_told_by_the_last_step(data: Path) -> None:
    problem = open_problem("strokes", data)
    batch = problem.dev.batch([0, 4, 8])
    assert len(set(batch.lengths.tolist())) > 1
    hidden = torch.randn(len(batch.inputs), K, 3, 5)
    read = problem.read(hidden, batch)
    for place, length in enumerate(batch.lengths):
        assert torch.equal(read[:, place], hidden[length - 1, :, place])
    scores = torch.randn(K, 3, 3)
    targets = torch.tensor(batch.targets)
    expected = [cross_entropy(each, targets) for each in scores]
    torch.testing.assert_close(problem.losses(scores, batch), torch.stack(expected))
    sums, count = problem.faults(scores, batch)
    assert (sums.tolist(), count) == ([(each.argmax(1) != targets).sum() for each in scores], 3)


@pytest.mark.parametrize("task", PROBLEMS)
def test_missing_data_are_named(task: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No such file"):
        open_problem(task, tmp_path)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ("[", "not the chorales"),
        (json.dumps({"train": []}), "not the chorales: KeyError"),
        (json.dumps({"train": [[[60]]] * 2, "valid": [[[60], [60]]] * 2}), "train needs two chorales"),
        (json.dumps({"train": [[[60], [20]]] * 2, "valid": []}), "train 0: note 20 in step 1; a piano has 21 to 108"),
    ],
)
def test_broken_chorales_are_named(splits: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "jsb").mkdir()
    (tmp_path / "jsb" / "jsb-chorales-quarter.json").write_text(splits)
    with pytest.raises(DataError, match=message):
        open_problem("chorales", tmp_path)


def test_broken_recordings_are_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "an4", tmp_path / "an4")
    broken = tmp_path / "an4" / "wav" / "an4_clstk" / "s3" / "an0-s3-b.opus"
    broken.write_bytes(b"OggS")
    with pytest.raises(DataError, match=r"an0-s3-b\.opus: "):
        open_problem("phones", tmp_path)
    (tmp_path / "an4" / "etc" / "an4.dic").write_text("YES Y EH S\n")
    with pytest.raises(DataError, match=r"no pronunciation of 'NO', which an4_clstk/s0/an1-s0-b has"):
        open_problem("phones", tmp_path)


def test_broken_archives_are_named(tmp_path: Path) -> None:
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "omniglot" / "strokes_background_small1.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"small1\.zip: File is not a zip file"):
        open_problem("strokes", tmp_path)
