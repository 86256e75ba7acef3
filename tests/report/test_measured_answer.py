from __future__ import annotations

from make.records import SETTINGS, make_model, make_run, make_runs
from make.shown import result_of

from harness.report.measured_answer import answer, verdict_lines
from harness.report.measured_page import MeasuredResult

TESTS = ("pp512", "tg128")
ONE, TWO = (SETTINGS.model_copy(update={"n_threads": n}) for n in (1, 2))


def answer_of(result: MeasuredResult) -> str:
    return answer(list(zip(result.groups, result.verdicts, strict=True)))


def lines_of(result: MeasuredResult) -> list[str]:
    return list(verdict_lines(list(zip(result.groups, result.verdicts, strict=True))))


def test_one_configuration_is_answered_with_its_verdict() -> None:
    result = result_of(make_runs(6), TESTS)
    assert answer_of(result).startswith("smollm2-135m:Q4_1 is usable (measured): TTFT 3.3")
    (line,) = lines_of(result)
    assert line.startswith("Decoding was measured at depth 0, not 4096")


def test_several_are_counted_by_verdict_and_none_is_called_the_best() -> None:
    runs = [
        make_run(n, TESTS, {"tg128": (10.0, 60.0)[n % 2]}, settings=(ONE, TWO)[n % 2], round=n // 2)
        for n in range(12)
    ]
    result = result_of(runs, TESTS, settings=(ONE, TWO))
    said = answer_of(result)
    assert said.startswith("2 configurations (measured): 2 usable; decode from 9.")
    assert "tok/s (threads 1) to " in said
    assert said.endswith("tok/s (threads 2).")
    assert len(lines_of(result)) == 3


def test_what_has_no_verdict_is_counted_too() -> None:
    models = (make_model(), make_model(key="other:Q8_0", sha256="f" * 64))
    result = result_of(make_runs(6), TESTS, models=models)
    assert answer_of(result) == "2 configurations (measured): 1 usable, no verdict on 1."
    assert lines_of(result)[1] == "other:Q8_0: no verdict: nothing was measured."
    assert answer_of(result_of([], TESTS)) == (
        "smollm2-135m:Q4_1: no verdict: nothing was measured."
    )
