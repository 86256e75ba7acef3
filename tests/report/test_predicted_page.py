"""Predictions beside what came of them."""

from __future__ import annotations

import pytest
from make.gate import make_candidate, make_rounds
from make.records import KEY
from make.scopes import pictures_of, scope_of, table_of

from harness.report.page import Quantity
from harness.report.predicted_page import predicted_page
from harness.report.scope import Scope
from harness.schema.experiment import StoredPrediction
from harness.schema.figure import Figure


def told(value: float, low: float, high: float, **changes: object) -> StoredPrediction:
    facts = {
        "model": KEY, "workload": "tg128", "component": "tok_per_s", "method": "calibration",
        "value": value, "low": low, "high": high,
    }  # fmt: skip
    return StoredPrediction.model_validate(facts | changes)


def scope_with(*predictions: StoredPrediction) -> Scope:
    experiment = make_candidate().model_copy(update={"predictions": predictions})
    return scope_of((experiment, make_rounds(experiment, noise=0.0)))


@pytest.mark.parametrize(("low", "is_inside"), [(90.0, "yes"), (125.0, "no")])
def test_a_prediction_stands_beside_its_measurement(low: float, is_inside: str) -> None:
    page = predicted_page(scope_with(told(150.0, low, 240.0)))
    ((_, workload, what, predicted, measured, off, inside, method),) = table_of(page).rows
    assert (workload, what, inside, method) == ("tg128", "decode", is_inside, "calibration")
    assert isinstance(predicted, Figure)
    assert (predicted.low, predicted.high) == (low, 240.0)
    assert isinstance(measured, Quantity)
    assert off == f"{(150 / measured.value - 1) * 100:.1f} %"
    one, other = pictures_of(page)["predicted"].marks
    assert (one.evidence, one.x, one.low) == ("predicted", 1.0, low / 150)
    assert (other.evidence, other.x) == ("measured", measured.value / 150)
    assert one.y == other.y


def test_of_memory_the_parts_are_shown_where_they_were_off() -> None:
    exact = [told(x, x, x, component=it, method="planner") for it, x in _RIGHT.items()]
    page = predicted_page(scope_with(*exact))
    assert [row[2] for row in table_of(page).rows] == ["total"]
    assert pictures_of(page) == {}
    wrong = told(1.0, 1.0, 1.0, component="kv_bytes", method="planner")
    rows = table_of(predicted_page(scope_with(wrong, exact[-1]))).rows
    assert [row[2] for row in rows] == ["KV cache", "total"]


def test_without_predictions_there_is_no_part() -> None:
    assert predicted_page(scope_with()) == ()


_MIB = 1 << 20
_KV, _COMPUTE = 128 * 23_040, 100 * _MIB + 196_608
_RIGHT = {
    "weights_bytes": 92.0 * _MIB,
    "kv_bytes": float(_KV),
    "compute_bytes": float(_COMPUTE),
    "total_bytes": 92.0 * _MIB + _KV + _COMPUTE,
}
