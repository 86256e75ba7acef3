from __future__ import annotations

from typing import Any

from make.records import (
    make_end,
    make_experiment,
    make_failed_run,
    make_runs,
    run_of,
)
from make.shown import PATH, read
from make.trials import disturbed_counters, make_trial

from harness.analysis.metrics import METRICS
from harness.report.document import document
from harness.report.measured_page import measured_result
from harness.schema.experiment import Run


def document_of(runs: list[Run], *workloads: str, **plan: Any) -> dict[str, Any]:
    experiment = make_experiment(workloads or ("pp512", "tg128"), **plan)
    return read(document(measured_result(experiment, runs, make_end().stops, PATH)))


def test_a_document_says_what_was_measured_where_and_how() -> None:
    made = document_of(make_runs(6))
    assert made["machine"]["cpu"] == "AMD EPYC"
    assert made["path"] == str(PATH)
    assert made["provenance"]["engine"]["binding_version"] == "0.3.36"
    assert made["stops"][0]["reason"] == "precise"
    assert made["findings"]
    assert [case["workload"] for case in made["cases"]] == ["pp512", "tg128"]
    case = made["cases"][1]
    assert (case["model"], case["quantization"]) == ("smollm2-135m:Q4_1", "Q4_1")
    assert case["settings"]["n_threads"] == 2
    assert case["outcome"] == {"status": "ok", "reason": None, "message": None}


def test_every_figure_has_its_interval_n_and_unit() -> None:
    case = document_of(make_runs(6))["cases"][1]
    assert set(case["metrics"]) >= {"tok_per_s", "itl_p50", "need", "load_warm", "bandwidth"}
    for name, figure in case["metrics"].items():
        assert set(figure) == {"value", "low", "high", "n", "unit", "kind"}
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["unit"] == METRICS[name].unit
    assert case["metrics"]["tok_per_s"]["n"] == 6
    assert "mbu" in case["not_applicable"]


def test_a_failed_case_keeps_its_place_and_reason() -> None:
    case = document_of([make_failed_run()])["cases"][0]
    assert case["outcome"]["status"] == "failed"
    assert case["outcome"]["reason"] == "killed"
    assert "tok_per_s" not in case["metrics"]


def test_disturbed_figures_are_kept_apart_from_metrics() -> None:
    spoilt = run_of(make_trial("tg128", 30, counters=disturbed_counters()))
    case = document_of([spoilt], "tg128")["cases"][0]
    assert "tok_per_s" not in case["metrics"]
    assert case["disturbed"]["tok_per_s"]["n"] == 1
