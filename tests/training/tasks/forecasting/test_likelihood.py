"""Training: nothing of dev and test reaches the linear model, the windows or the weights; the loss falls."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.price_series import altered, as_csv, made_up, write_prices
from tests.training.conftest import open_trainer, run_command, train
from training.data.base import DataError
from training.tasks.forecasting.fitting import fit_base
from training.tasks.forecasting.reader import History


def test_linear_model_is_least_squares_of_the_known_days() -> None:
    history, before = History.of("made up", made_up(900)), date(2003, 6, 2)
    base = fit_base([history], before)
    known = history.between(None, before)
    targets = np.log(history.variance[known, 0])
    errors = targets - base.log_variance(history.signals)[known, 0]
    assert errors.mean() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(history.signals.terms[known].T @ errors, 0, atol=1e-8)
    assert base.closes[0][-1] == 0  # there is no gap
    with pytest.raises(DataError, match="days before 2001-02-01 are too few to fit 8 terms"):
        fit_base([history], date(2001, 2, 1))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_days_from_dev_on_change_nothing_that_is_learnt(forecasting_recipe: Path, tmp_path: Path, cell: str) -> None:
    """The linear model, the weights after some updates, all to the bit."""
    found = []
    data = write_prices(tmp_path / "prices")
    for number in range(2):
        for seed, name in enumerate(("one", "two")):
            series = made_up(1300, seed)
            if number:
                assert series.days is not None
                series = altered(series, int((series.days < np.datetime64("2004-06-01")).sum()), 9)
            (data / f"{name}.csv").write_text(as_csv(series))
        trainer = open_trainer(
            forecasting_recipe, [f"run={tmp_path}/{number}", f"data.path={data}", f"model.cell={cell}"]
        )
        train(trainer, 4)
        found.append((trainer.model.base, trainer.model.state_dict()))
    (base, weights), (other, others) = found
    assert base == other
    for name, tensor in weights.items():
        assert torch.equal(tensor, others[name]), name


def test_the_loss_falls(forecasting_recipe: Path) -> None:
    trainer = open_trainer(forecasting_recipe, ["training.updates=60", "training.epochs=1"])
    losses = train(trainer, 60)
    assert np.mean(losses[-15:]) < np.mean(losses[:15])


def test_too_short_a_series_is_told(forecasting_recipe: Path) -> None:
    with pytest.raises(DataError, match=r"lower model.context=900 to that, or choose a later data.dev_from"):
        open_trainer(forecasting_recipe, ["model.context=900"])


def test_a_burn_in_longer_than_the_context_is_refused(
    forecasting_recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("train", "--config", str(forecasting_recipe), "--set", "training.burn_in=30") == 1
    assert "training.burn_in=30 must be less than model.context=30" in capsys.readouterr().err
