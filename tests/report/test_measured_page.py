from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.records import (
    CPU,
    GPU,
    SETTINGS,
    make_experiment,
    make_failed_run,
    make_model,
    make_run,
    make_runs,
    run_of,
)
from make.shown import PATH, result_of, shown, shown_of
from make.trials import disturbed_counters, make_trial

from harness.analysis.cases import Case, CaseOutcome
from harness.analysis.finding import Finding
from harness.analysis.measured import Measured
from harness.analysis.metrics import METRICS
from harness.analysis.stats.interval import estimate
from harness.analysis.verdict_measured import NoVerdict
from harness.report.formats import FORMATS
from harness.report.measured_page import MeasuredResult
from harness.report.text import sanitize, wrapped
from harness.schema.configuration import Configuration
from harness.schema.experiment import Buffer
from harness.schema.figure import exact

ALL = ("pp512", "tg128", "tg128@d4096", "chat", "sustain8")


def records(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_a_plain_table_reads_like_this() -> None:
    text = shown(result_of(make_runs(6), ("pp512",)))
    answer, _, figures = text.partition("\n\n")
    assert answer == (
        "smollm2-135m:Q4_1: no verdict: decoding was not measured: measure with\n"
        "--workload pp512,tg128."
    )
    assert figures.splitlines()[:7] == [
        "smollm2-135m:Q4_1 · Q4_1 · 98.4 MB · threads 2",
        "",
        "workload  metric             median  95 % interval          n",
        "--------  --------------  ---------  ---------------------  -",
        "pp512     tok/s                 305  301 – 317              6",
        "load      cold               520 ms  – *                    1",
        "load      warm               520 ms  520 ms – 520 ms *      5",
    ]


@settings(max_examples=40, deadline=None)
@given(
    key=st.text(min_size=1, max_size=200),
    message=st.text(max_size=300),
    scale=st.floats(1e-4, 1e5),
)
def test_plain_tables_fit_80_columns_whatever_is_in_them(
    key: str, message: str, scale: float
) -> None:
    def spread(unit: str) -> list[float]:
        middle = min(scale, 9) if unit == "ratio" else max(scale, 2 * (unit == "ns"))
        return [middle * part for part in (0.9, 1.0, 1.1)]

    figures = {
        # A share of more than ten times the whole, or a time that no clock resolves, is nothing
        # that a table has to be wide for.
        row.name: estimate(spread(row.unit), row.unit)
        for row in METRICS.values()
        if row.of
    }
    case = Case(
        workload="tg1000000@d1000000",
        outcome=CaseOutcome("failed", "killed", message),
        metrics=figures,
        disturbed={},
        not_applicable={},
        runs=(make_run(),) * 3,
        values=({},) * 3,
        n_trials=9,
        disturbances=(),
        others_ratio=None,
    )
    group = Measured(Configuration(make_model(key=key), SETTINGS), make_experiment(), ())
    of_model = [row for row in METRICS.values() if row.topic in ("load", "memory", "model")]
    metrics = {row.name: exact(1e9 * scale, row.unit) for row in of_model}
    # As it keeps what it has worked out: figures that no Run has.
    vars(group).update(cases=(case,), metrics=metrics)
    experiment = make_experiment()
    text = shown(
        MeasuredResult(
            experiment, (group,), (NoVerdict("none"),), (), (Finding("info", "Trust it."),), PATH
        )
    )
    assert max(len(line) for line in text.splitlines()) <= 80
    assert _is_printable(text)


def _is_printable(text: str) -> bool:
    return all(char == "\n" or unicodedata.category(char)[0] != "C" for char in text)


@pytest.mark.parametrize("format", FORMATS)
def test_control_characters_of_a_name_never_reach_the_terminal(format: str) -> None:
    key = "evil\x1b[2J\x07\u202e\r\nforged  row\x9b31m"
    text = shown(result_of([], ("tg128",), models=(make_model(key=key),)), format)
    assert "evil?[2J" in text.replace("\\", "")
    assert all(char.isprintable() or char in "\n\t" for char in text)
    assert "\nforged" not in text


def test_a_failed_case_is_a_row_with_its_sentence() -> None:
    text = shown(result_of([make_failed_run()], ("pp512", "tg128")))
    assert "pp512, tg128  failed: The system killed the worker while it loaded" in text
    flat = records(shown(result_of([make_failed_run()], ("pp512", "tg128")), "csv"))
    outcomes = {row["workload"]: row["outcome"] for row in flat if row["workload"]}
    assert set(outcomes) == {"pp512", "tg128"}
    assert all(text.startswith("failed: The system killed") for text in outcomes.values())


def test_a_case_without_a_clean_trial_shows_its_figure_as_disturbed_and_by_what() -> None:
    spoilt = run_of(make_trial("tg128", 30, counters=disturbed_counters()))
    result = result_of([spoilt], ("tg128",))
    text = " ".join(shown(result).split())
    assert "tg128 tok/s ? 30.0 – * 1" in text
    assert "tg128 no clean trial in 1 Run: others took 33.3 % of the CPUs" in text
    assert "? from disturbed trials alone: a glimpse; no verdict" in text
    assert "no verdict: tg128 has no clean trial" in text
    rows = records(shown(result, "csv"))
    outcomes = {row["metric"]: row["outcome"] for row in rows if row["workload"] and row["metric"]}
    assert set(outcomes.values()) == {"disturbed"}


def test_a_clean_figure_has_no_mark_of_disturbance_beside_a_disturbed_one() -> None:
    clean, spoilt = make_trial("pp512", 300), make_trial("tg128", 30, counters=disturbed_counters())
    text = " ".join(shown(result_of([run_of(clean, spoilt)], ("pp512", "tg128"))).split())
    assert "pp512 tok/s 300" in text
    assert "tg128 tok/s ? 30.0" in text


def test_few_runs_are_marked_as_smallest_and_largest() -> None:
    text = shown(result_of(make_runs(3), ("tg128",)))
    assert " – 117 *" in text
    assert "* fewer than 6 Runs: smallest and largest (min–max)" in text
    warm = tuple(run for run in make_runs(8) if run.index)
    assert "min–max" not in shown(result_of(list(warm), ("tg128",)))


def test_an_impossible_share_of_the_bandwidth_is_marked() -> None:
    model = make_model(weights_bytes=10**9, token_read_bytes=10**9)
    text = shown(result_of(make_runs(3), ("tg128",), models=(model,)))
    assert "! more than this memory delivered" in text
    assert "! more than" not in shown(result_of(make_runs(3), ("tg128",)))


def test_only_what_is_shown_is_explained() -> None:
    prompt = shown(result_of(make_runs(2), ("pp512",)))
    chat = shown(result_of([make_run(0, ("chat",))], ("chat",)))
    assert "TTFT: text in to first text out, tokenizing" not in prompt
    assert "TTFT: text in to first text out, tokenizing" in chat
    assert "ITL: time of each decode step" in chat


def test_groups_are_told_apart_by_what_differs_in_their_settings() -> None:
    other = SETTINGS.model_copy(update={"flash_attn": "on"})
    result = result_of(make_runs(2), ("tg128",), settings=(SETTINGS, other))
    for text in (shown(result, is_full=True), shown(result, "csv")):
        assert "threads 2, flash-attn auto" in text
        assert "threads 2, flash-attn on" in text


def test_the_heading_names_the_card_that_weights_lay_on() -> None:
    experiment = make_experiment(("tg128",))
    engine = experiment.provenance.engine.model_copy(update={"devices": (GPU, CPU)})
    provenance = experiment.provenance.model_copy(update={"engine": engine})
    there = experiment.model_copy(update={"provenance": provenance})
    on_card = (Buffer(device="CUDA0", kind="weights", n_bytes=92 << 20),)
    headings = [
        shown_of(there, runs).split("\n\n")[1]
        for runs in (make_runs(2, weights=on_card), make_runs(2))
    ]
    assert headings[0].endswith("threads 2 · on RTX")
    assert headings[1].endswith("threads 2")


@pytest.mark.parametrize(("format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_flat_formats_hold_every_figure_unrounded(format: str, delimiter: str) -> None:
    groups = result_of([make_run(i, ALL) for i in range(6)], ALL)
    rows = records(shown(groups, format), delimiter)
    (group,) = groups.groups
    assert len(rows) == len(group.metrics) + sum(len(case.metrics) for case in group.cases)
    figure = group.cases[1].metrics["tok_per_s"]
    (row,) = [row for row in rows if (row["workload"], row["metric"]) == ("tg128", "tok_per_s")]
    assert [float(row[name]) for name in ("value", "low", "high")] == [
        figure.value,
        figure.low,
        figure.high,
    ]
    assert (row["unit"], row["n"], row["kind"]) == ("tok/s", "6", "interval")


def test_markdown_cannot_be_broken_by_a_name() -> None:
    model = make_model(key="a|b<script>")
    text = shown(result_of(make_runs(2), ("tg128",), models=(model,)), "github")
    assert "a\\|b\\<script\\>" in text
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {5}


@pytest.mark.parametrize("format", FORMATS)
def test_no_groups_make_a_table_without_rows(format: str) -> None:
    assert (
        len(shown(MeasuredResult(make_experiment(), (), (), (), (), PATH), format).splitlines())
        <= 3
    )


@given(st.text())
def test_harmless_text_keeps_its_length_and_prints(text: str) -> None:
    assert len(sanitize(text)) == len(text)
    assert sanitize(text).isprintable()


def test_wrapped_lines_hang_below_their_lead() -> None:
    assert wrapped("one two three", lead="tg128  ", width=16) == ["tg128  one two", "       three"]


@pytest.mark.parametrize("is_full", [True, False], ids=["each in full", "side by side"])
def test_what_does_not_write_is_called_what_it_is_wherever_it_stands(*, is_full: bool) -> None:
    models = (make_model(key="encoder", architecture="bert"), make_model())
    runs = [make_run(0, ("pp512",), model="encoder"), make_run(1)]
    result = result_of(runs, ("pp512", "tg128"), models=models)
    text = " ".join(shown(result, is_full=is_full).split())
    assert "embedding throughput: a text read at once" in text
    assert "encoder: no verdict: it is an embedding model, which reads a text at once" in text
    flat = records(shown(result, "csv"))
    assert {row["workload"] for row in flat if row["model"] == "encoder"} <= {"pp512", ""}
