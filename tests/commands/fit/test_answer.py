"""Whether a model will run here, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis.device_memory import Fits
from harness.commands.fit.answer import answers
from harness.commands.fit.fit import FitRequest, FitResult, fit
from harness.commands.fit.speeds import PredictedSpeed
from harness.measure.memory import ModelFit
from harness.models.catalog.catalog import load_catalog
from harness.schema.prediction import Component, Prediction, Refusal

LENGTHS = (4096, 32768)


@pytest.fixture(scope="module")
def planned() -> ModelFit:
    """As the engine plans it, without any speed."""
    request = FitRequest(("qwen3-0.6b",), False, LENGTHS, (("f16", "f16"),), {}, Path("none"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.commands.fit.speeds.Predictor.speeds", lambda *_: [])
        ((planned, _),) = fit(request, load_catalog(), lambda _: None).fits
    return planned


def told(planned: ModelFit, *speeds: PredictedSpeed, how: Fits = "yes") -> str:
    """What is said of it where each context fits so."""
    contexts = tuple(replace(each, fits=how) for each in planned.contexts)
    largest = tuple(each.context for each in contexts[-1:])
    judged = replace(planned, contexts=contexts, largest=largest)
    result = FitResult(None, planned.capacity, ((judged, speeds),), ())  # type: ignore[arg-type]
    (line,) = answers(result)
    return line


def speed(workload: str, component: Component, value: float, spread: float) -> PredictedSpeed:
    low, high = value / spread, value * spread
    facts = {"model": "m", "workload": workload, "component": component}
    figure = Prediction(**facts, value=value, low=low, high=high, method="calibration")
    return PredictedSpeed(workload, figure)


DECODE = speed("tg128@d4096", "tok_per_s", 30.0, 1.1)
FIRST = speed("pp1024", "ttft_ns", 1e9, 1.1)


def test_what_fits_is_judged_by_its_speed_with_its_interval(planned: ModelFit) -> None:
    assert told(planned, DECODE, FIRST) == (
        "qwen3-0.6b:Q8_0 fits into what is free now with 4096 positions, and with up to 32768; it "
        "is comfortable (predicted): decode 30.0 tok/s (27.3 – 33.0 at 4096 positions)."
    )
    slow = speed("pp1024", "ttft_ns", 8e9, 1.5)
    assert "it is usable, perhaps slow (predicted): TTFT 8.00 s (5.33 s – 12.0 s after a" in told(
        planned, DECODE, slow
    )


def test_where_only_a_range_is_known_the_verdict_says_how_far_it_reaches(planned: ModelFit) -> None:
    refusal = Refusal(
        model="m", workload="tg128@d4096", component="tok_per_s", reason="x", low=4.0, high=40.0
    )
    said = told(planned, PredictedSpeed("decode", refusal))
    assert "it is usable, perhaps comfortable or slow (predicted): decode 12.6 tok/s" in said


def test_without_a_speed_none_is_promised(planned: ModelFit) -> None:
    assert told(planned).endswith("; how fast it will be cannot be told.")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("when-freed", "fits once other programs are closed with 4096 positions"),
        ("no", "does not fit with 4096 positions"),
    ],
)
def test_what_does_not_fit_is_promised_no_speed(planned: ModelFit, how: Fits, words: str) -> None:
    said = told(planned, DECODE, FIRST, how=how)
    assert words in said
    assert "tok/s" not in said


def test_of_a_whole_catalogue_it_is_counted(planned: ModelFit) -> None:
    fits = [
        replace(planned, contexts=tuple(replace(it, fits=how) for it in planned.contexts))
        for how in ("yes", "yes", "no")
    ]
    none = replace(planned, contexts=())
    result = FitResult(None, planned.capacity, tuple((it, ()) for it in (*fits, none)), ())  # type: ignore[arg-type]
    (line,) = answers(replace(result, is_overview=True))
    assert line.startswith("Of 4 that can be laid out, into ")
    assert line.endswith("2 fit, 1 do not, 1 cannot be planned.")
