from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from make.records import (
    make_end,
    make_experiment,
    make_failed_run,
    make_model,
    make_run,
    make_runs,
    run_of,
)
from make.shown import PATH
from make.trials import disturbed_counters, make_trial

from harness.analysis.metrics import METRICS
from harness.report.document import DOCUMENT_SCHEMA, document
from harness.report.measured_page import measured_result
from harness.schema.experiment import Run

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")


def document_of(runs: list[Run], *workloads: str, **plan: Any) -> dict[str, Any]:
    experiment = make_experiment(workloads or ("pp512", "tg128"), **plan)
    made = document(measured_result(experiment, runs, make_end().stops, PATH))
    # What a reader gets is what survives JSON, and NaN does not.
    text = json.dumps(made, allow_nan=False)
    loaded: dict[str, Any] = json.loads(text)
    assert loaded == json.loads(json.dumps(loaded))
    return loaded


def test_a_document_says_what_was_measured_where_and_how() -> None:
    made = document_of(make_runs(6))
    assert made["schema"] == DOCUMENT_SCHEMA
    assert made["machine"]["cpu"] == "AMD EPYC"
    assert made["stored"] == str(PATH)
    assert made["provenance"]["engine"]["binding_version"] == "0.3.36"
    assert made["stops"][0]["reason"] == "precise"
    assert made["trust"]
    assert [case["workload"] for case in made["cases"]] == ["pp512", "tg128"]
    case = made["cases"][1]
    assert (case["model"], case["quantization"]) == ("smollm2-135m:Q4_1", "Q4_1")
    assert case["settings"]["n_threads"] == 2
    assert case["outcome"] == {"status": "ok", "reason": None, "message": None}


def test_every_figure_has_its_interval_n_and_unit() -> None:
    case = document_of(make_runs(6))["cases"][1]
    assert set(case["metrics"]) >= {"tok_per_s", "itl_p50", "need", "load_warm", "bandwidth"}
    for name, figure in case["metrics"].items():
        assert set(figure) == {"median", "low", "high", "n", "unit", "kind"}
        assert figure["low"] <= figure["median"] <= figure["high"]
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


def test_the_page_describes_every_key_and_every_metric() -> None:
    model = make_model(weights_bytes=10**9, token_read_bytes=10**9)
    made = document_of(
        [make_run(i, ("chat", "sustain8", "tg128")) for i in range(2)],
        *("chat", "sustain8", "tg128"),
        models=(model,),
    )
    described = set(re.findall(r"`([a-z_0-9]+)`", PAGE))
    keys = set(made) | set(made["cases"][0]) | set(made["cases"][0]["outcome"])
    keys |= set(next(iter(made["cases"][0]["metrics"].values())))
    assert keys | set(METRICS) <= described


def test_the_pages_example_is_a_document_of_this_schema() -> None:
    example, *_ = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    shown = json.loads(example)
    made = document_of(make_runs(6))
    assert shown["schema"] == DOCUMENT_SCHEMA
    assert set(shown) == set(made)
    assert set(shown["cases"][0]) == set(made["cases"][0])
