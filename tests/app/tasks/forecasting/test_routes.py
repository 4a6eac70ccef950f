"""POST /v1/forecasts, Hugging Face's address and Nixtla's contract: answers, and what is refused in which words."""

import re
from typing import Any

import httpx2
import pytest

from model.tasks.forecasting.forecaster import Forecaster
from model.tasks.forecasting.series import Series
from tests.price_series import made_up

SERIES = made_up(300)


def days(series: Series = SERIES) -> list[dict[str, Any]]:
    columns = (series.days, series.open, series.high, series.low, series.close)
    names = ("date", "open", "high", "low", "close")
    rows = zip(*(column for column in columns if column is not None), strict=True)
    return [{"date": str(row[0]), **dict(zip(names[1:], map(float, row[1:]), strict=True))} for row in rows]


def ask(client: httpx2.Client, **body: Any) -> Any:
    return client.post("/v1/forecasts", json=body).raise_for_status().json()


def test_a_series_is_answered_as_the_model_answers(
    forecast_client: httpx2.Client, served_forecaster: Forecaster
) -> None:
    answer = ask(forecast_client, series=days(), horizon=6, levels=[50, 97.5])
    assert set(answer) == {"id", "model", "steps", "baselines", "warnings", "timing_ms"}
    assert answer["model"]["name"] == "tiny-prices"
    expected = served_forecaster.forecast(SERIES, 6, (50.0, 97.5))
    for step, ahead in zip(answer["steps"], expected, strict=True):
        assert step["close"]["mean"] == pytest.approx(ahead.close, rel=1e-5)
        assert step["close"]["intervals"]["97.5"] == pytest.approx(ahead.intervals[97.5], rel=1e-5)
        assert step["volatility"] == pytest.approx(ahead.volatility, rel=1e-4)
    assert answer["baselines"]["persistence"] == SERIES.close[-1]
    assert len(answer["baselines"]["har"]) == 6
    assert answer["warnings"] == []


def test_dates_ahead_leave_out_weekends(forecast_client: httpx2.Client) -> None:
    steps = ask(forecast_client, series=days())["steps"]  # SERIES ends on Friday, 2002-02-22
    assert str(SERIES.days[-1]) == "2002-02-22"  # type: ignore[index]
    assert [step["date"] for step in steps] == [f"2002-02-{day}" for day in (25, 26, 27, 28)] + ["2002-03-01"]


def test_closes_alone_are_enough(forecast_client: httpx2.Client) -> None:
    closes = SERIES.close.tolist()
    answer = ask(forecast_client, series={"close": closes})
    assert [step["step"] for step in answer["steps"]] == [1, 2, 3, 4, 5]
    assert "date" not in answer["steps"][0]
    assert answer["warnings"] == [
        "there are closes alone; with open, high and low the variance of a day is known better"
    ]
    same = ask(forecast_client, series=[{"close": close} for close in closes])
    assert same["steps"] == answer["steps"]


def test_a_series_that_is_unlike_has_warnings(forecast_client: httpx2.Client) -> None:
    closes = [close / (2 if place > 200 else 1) for place, close in enumerate(SERIES.close.tolist())]
    warnings = ask(forecast_client, series={"close": closes})["warnings"]
    assert any("as after a split of 2 to 1" in warning for warning in warnings)


def without(place: int, name: str) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in day.items() if (number, key) != (place, name)}
        for number, day in enumerate(days())
    ]


def changed(place: int, **values: Any) -> list[dict[str, Any]]:
    return [day | (values if number == place else {}) for number, day in enumerate(days())]


@pytest.mark.parametrize(
    ("series", "status", "message"),
    [
        (changed(3, close=-1.0), 400, "series: the close of 2001-01-04 is -1; prices must be above 0"),
        (changed(3, low=0), 400, "series: the low of 2001-01-04 is 0; prices must be above 0"),
        (changed(3, high=1.0), 400, "series: the high of 2001-01-04, 1, is below the low"),
        (changed(3, date="yesterday"), 400, "series: day 4 has the date 'yesterday'; write 2018-12-31"),
        (changed(3, date="2001-01-03"), 400, "series: 2001-01-03 stands there twice"),
        (without(3, "open"), 400, "series: day 4 has no open, and others have one; give all, or none"),
        (without(3, "date"), 400, "series: day 4 has no date, and others have one; give all, or none"),
        (days()[:20], 400, "series: there are 20 days; at least 60 are needed"),
        ({"close": [5.0] * 60}, 400, "series: all closes are 5; a price that changes is needed"),
        (without(3, "close"), 422, "series="),
        ([1, 2, 3], 422, 'a list of up to 50,000 days is needed, oldest first, each with a "close"'),
        ("1,2,3", 422, 'a list of up to 50,000 days is needed, oldest first, each with a "close"'),
        (None, 422, "series=None: "),
    ],
)
def test_bad_series_are_refused(forecast_client: httpx2.Client, series: Any, status: int, message: str) -> None:
    answer = forecast_client.post("/v1/forecasts", json={"series": series})
    error = answer.json()["error"]
    assert message in error["message"]
    assert (answer.status_code, error["field"]) == (status, "series")
    assert error["code"] == {400: "bad_series", 422: "invalid_parameter"}[status]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"horizon": 21}, "horizon=21: input should be less than or equal to 20"),
        ({"horizon": 0}, "horizon=0: input should be greater than or equal to 1"),
        ({"levels": [100]}, "levels=[100]: 1 to 10 levels are needed, each above 0 and up to 99.9 percent"),
        ({"levels": []}, "levels=[]: 1 to 10 levels are needed"),
        ({"steps": 3}, "unknown parameter 'steps'; there are series, horizon"),
        ({"model": "nobody"}, "nobody"),
    ],
)
def test_bad_parameters_are_refused(forecast_client: httpx2.Client, parameters: dict[str, Any], message: str) -> None:
    answer = forecast_client.post("/v1/forecasts", json={"series": days(), **parameters})
    assert answer.status_code == (404 if "model" in parameters else 422)
    assert message in answer.json()["error"]["message"]


def test_a_models_own_address_answers_too(forecast_client: httpx2.Client) -> None:
    body = {"inputs": {"close": SERIES.close.tolist()}, "parameters": {"horizon": 2, "levels": [90]}}
    answer = forecast_client.post("/models/tiny-prices", json=body).raise_for_status().json()
    assert [list(step["close"]["intervals"]) for step in answer["steps"]] == [["90"], ["90"]]
    refused = forecast_client.post("/models/tiny-prices", json={"inputs": {"close": [1, 2]}})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("inputs: there are 2 days")


def test_its_card_says_what_it_is(forecast_client: httpx2.Client) -> None:
    card = forecast_client.get("/v1/models/tiny-prices").json()
    assert card["task"] == "time-series-forecasting"
    assert (card["cell"], card["members"], card["hidden_size"], card["context"]) == ("lstm", 2, 6, 40)


def test_nixtlas_contract(forecast_client: httpx2.Client, served_forecaster: Forecaster) -> None:
    """The body is that of Nixtla's client."""
    other = made_up(100, 1).close
    body = {
        "series": {"y": [*SERIES.close, *other], "sizes": [300, 100], "X": None, "X_future": None},
        "model": "timegpt-1",
        "h": 4,
        "freq": "B",
        "clean_ex_first": True,
        "level": [80, 95],
        "finetune_steps": 0,
        "finetune_depth": 1,
        "finetune_loss": "default",
        "finetuned_model_id": None,
        "feature_contributions": False,
        "multivariate": False,
    }
    answer = forecast_client.post("/v2/forecast", json=body).raise_for_status().json()
    expected = [
        *served_forecaster.forecast(Series.of(SERIES.close), 4, (80.0, 95.0)),  # without dates
        *served_forecaster.forecast(Series.of(other), 4, (80.0, 95.0)),
    ]
    assert answer["mean"] == pytest.approx([step.close for step in expected], rel=1e-5)
    assert answer["intervals"]["lo-95"] == pytest.approx([step.intervals[95.0][0] for step in expected], rel=1e-5)
    assert list(answer["intervals"]) == ["lo-80", "hi-80", "lo-95", "hi-95"]
    assert (answer["sizes"], answer["weights_x"]) == ([4, 4], None)
    plain = forecast_client.post("/v2/forecast", json=body | {"level": None}).json()
    assert plain["intervals"] is None
    reach = forecast_client.get("/model_params", params={"model": "timegpt-1", "freq": "B"}).json()["detail"]
    assert reach == {"input_size": 1250, "horizon": 20}
    assert forecast_client.get("/validate_api_key").raise_for_status().json()["detail"] == "The key is good."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"series": {"y": [1.0, 2.0], "sizes": [3]}},
            "sizes=[3]: lengths of one or more series are needed, 2 together",
        ),
        ({"series": {"y": [], "sizes": []}}, "sizes=[]: lengths of one or more series are needed"),
        ({"series": {"y": [1.0] * 33, "sizes": [1] * 33}}, "there are 33 series; at most 32 are forecast at once"),
        ({"finetune_steps": 10}, "finetune_steps=10: not supported: models are not tuned to a request"),
        ({"h": 30}, "h=30: input should be less than or equal to 20"),
    ],
)
def test_what_nixtlas_contract_has_and_this_server_has_not(
    forecast_client: httpx2.Client, change: dict[str, Any], message: str
) -> None:
    body = {"series": {"y": SERIES.close.tolist(), "sizes": [300]}, "h": 4}
    answer = forecast_client.post("/v2/forecast", json=body | change)
    assert answer.status_code == 422
    assert re.search(re.escape(message), answer.json()["error"]["message"])
