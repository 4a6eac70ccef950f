"""Price tables: what came true, the days of a split, and files that can't be read."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.price_series import as_csv, made_up
from training.data.base import DataError
from training.tasks.forecasting.reader import History, digest, read_histories, span
from training.tasks.forecasting.recipe import PriceDataRecipe

SERIES = made_up(700)
HISTORY = History.of("made up", SERIES)
DATA = PriceDataRecipe(path=Path("x"), series=("one",), dev_from=date(2002, 6, 3), test_from=date(2003, 2, 3))


def test_what_came_true_is_of_the_days_ahead() -> None:
    close = np.log(SERIES.close)
    assert HISTORY.returns[300] == pytest.approx(
        [close[301] - close[300], close[305] - close[300], close[320] - close[300]]
    )
    variance = HISTORY.signals.variance
    assert HISTORY.variance[300] == pytest.approx([variance[301], variance[301:306].mean(), variance[301:321].mean()])
    assert np.isnan(HISTORY.returns[-1]).all()
    assert np.isnan(HISTORY.returns[-2]).tolist() == [False, True, True]


def test_splits_are_of_the_days_that_are_forecast() -> None:
    parts = {split: HISTORY.between(*span(DATA, split)) for split in ("train", "dev", "test")}
    assert parts["train"][0] == 250
    assert [*parts["train"], *parts["dev"], *parts["test"]] == list(range(250, 699))
    first = parts["dev"][0]
    assert HISTORY.days[first] < np.datetime64("2002-06-03") <= HISTORY.days[first + 1]
    assert HISTORY.between(None, DATA.dev_from, 20) == parts["train"][:-19]  # all of whose 20 days are before
    with pytest.raises(DataError, match=r"^split=all: there are train, dev, test$"):
        span(DATA, "all")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one.csv: no such file"):
        read_histories(tmp_path, ["one"])
    (tmp_path / "one.csv").write_text("Date,Close\n2018-01-01,-3\n")
    with pytest.raises(DataError, match=r"one.csv: there are 1 days"):
        read_histories(tmp_path, ["one"])
    lines = [line.split(",") for line in as_csv(SERIES).splitlines()]
    (tmp_path / "one.csv").write_text("\n".join(f"{line[0]},{line[4]}" for line in lines))
    with pytest.raises(DataError, match=r"one.csv: open, high, low and close are needed"):
        read_histories(tmp_path, ["one"])


def test_a_file_is_read_for_the_folder(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(as_csv(SERIES))
    (found,) = read_histories(tmp_path / "other.csv", ["one", "two"])
    assert found.name == "other"
    assert digest([found]) == digest([HISTORY])
    assert digest([found]) != digest([History.of("made up", SERIES.latest(600))])


def test_a_recipe_whose_dates_are_not_in_order_is_refused() -> None:
    with pytest.raises(ValueError, match="dev_from=2003-02-03 must be before test_from=2003-02-03"):
        PriceDataRecipe.model_validate(DATA.model_dump() | {"dev_from": date(2003, 2, 3)})
