"""The one sentence that a comparison begins with."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from make.records import SETTINGS, make_experiment, make_failed_run, make_model, make_run

from harness.analysis.comparison import compare
from harness.analysis.measured import Measured, measured_of
from harness.commands.compare.answer import answer
from harness.schema.experiment import Run

ONE, TWO = (SETTINGS.model_copy(update={"n_threads": n}) for n in (1, 2))


def sides(
    tg128: float = 1.0, pp512: float = 1.0, *, noise: float = 0.002, n: int = 12
) -> tuple[Measured, Measured]:
    """Two threads and one, the rates of two by so much higher."""
    rng, runs = random.Random(1), list[Run]()
    for index in range(n):
        for settings, factors in ((ONE, (1, 1)), (TWO, (tg128, pp512))):
            rates = {
                "tg128": 50 * factors[0] * rng.uniform(1 - noise, 1 + noise),
                "pp512": 300 * factors[1] * rng.uniform(1 - noise, 1 + noise),
            }
            runs.append(make_run(len(runs), rates=rates, settings=settings, round=index))
    a, b = measured_of(make_experiment(settings=(ONE, TWO)), runs)
    return a, b


def said(a: Measured, b: Measured, wanted: Sequence[str] = ("tok_per_s", "need")) -> str:
    return answer(a, b, list(compare(a, b, wanted=tuple(wanted))))


def test_what_is_faster_in_all_is_said_to_be_so() -> None:
    told = said(*sides(1.2, 1.5))
    assert told.startswith("threads 2 is faster than threads 1 in pp512 tok/s (1.")
    assert " times) and tg128 tok/s (1." in told


@pytest.mark.parametrize(
    ("a", "b", "parts"),
    [
        (0.8, 1.5, ("faster than threads 1 in pp512", "; slower in tg128")),
        (1.0, 1.5, ("faster than threads 1 in pp512", "; the same in tg128 tok/s, to within 2.0")),
        (1.0, 1.0, ("threads 2 is the same as threads 1 in pp512 tok/s and tg128 tok/s",)),
    ],
)
def test_what_differs_is_told_apart(a: float, b: float, parts: tuple[str, ...]) -> None:
    told = said(*sides(a, b))
    assert all(part in told for part in parts), told


def test_what_cannot_be_told_is_called_inconclusive() -> None:
    told = said(*sides(1.01, 1.01, noise=0.3))
    assert told == (
        "Inconclusive: these Runs cannot tell whether threads 2 differs from threads 1 in pp512 "
        "tok/s and tg128 tok/s."
    )


def test_without_a_headline_all_that_was_asked_for_counts() -> None:
    assert said(*sides(), wanted=["need"]).startswith(
        "threads 2 is the same as threads 1 in memory needed"
    )


def test_two_models_are_called_by_their_names_and_failure_is_told() -> None:
    models = make_model(), make_model(key="other:Q8_0", sha256="f" * 64)
    runs = [make_run(0, ("tg128",)), make_failed_run(1, model="other:Q8_0", round=0)]
    a, b = measured_of(make_experiment(("tg128",), models=models), runs)
    told = said(a, b)
    assert told.startswith("other:Q8_0 cannot be compared with smollm2-135m:Q4_1: ")
    assert "The system killed the worker" in told
