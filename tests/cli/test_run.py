"""One measurement and everything that is shown of it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO

import pytest

from cli.commandline import ONE_THREAD, Done, Home, closed_pipe
from harness.records.store import load

CASE_KEYS = {
    "model", "quantization", "file", "rehearsed", "workload", "settings", "outcome", "metrics",
    "disturbed", "disturbed_by", "energy",
    "not_applicable", "n_runs", "n_runs_failed", "n_runs_without_value", "n_trials",
    "n_disturbed", "others_ratio", "labels", "findings", "served",
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    home: Home
    done: Done


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home]) -> Measured:
    home = new_home()
    arguments = ("--runs", "2", "--trials", "1", "-w", "pp16,tg8", *ONE_THREAD)
    return Measured(home, home.harness("run", "tiny-random", *arguments))


def test_a_measurement_ends_with_its_table_alone_on_stdout(measured: Measured) -> None:
    done = measured.done
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("tiny-random:Q8_0")
    heading = done.stdout.split("\n\n")[1]
    assert heading.startswith("tiny-random:Q8_0 · Q8_0 · 1.02 MB · threads ")
    assert "\npp16 " in done.stdout
    assert "\ntg8 " in done.stdout
    assert "\nload " in done.stdout
    assert "Record" not in done.stdout


def test_progress_trust_and_record_are_on_stderr(measured: Measured) -> None:
    said = measured.done.stderr
    assert "run  1  tiny-random:Q8_0  " in said
    assert "run  2  tiny-random:Q8_0  " in said
    assert "all runs made" in said
    assert "disturbed" in said
    assert "n = " in said
    record = measured.home.record().relative_to(measured.home.folder)
    assert said.endswith(f"Record: {record}\n\nWhat the figures are: --explain\n")


def test_the_table_fits_80_columns(measured: Measured) -> None:
    assert max(map(len, measured.done.stdout.splitlines())) <= 80


def test_nothing_is_coloured_or_redrawn_where_there_is_no_terminal(measured: Measured) -> None:
    assert "\x1b" not in measured.done.stdout + measured.done.stderr
    assert "\r" not in measured.done.stdout + measured.done.stderr


def test_the_record_is_whole_and_holds_every_trial(measured: Measured) -> None:
    stored = load(measured.home.record())
    assert stored.end
    assert (len(stored.runs), stored.n_torn) == (2, 0)
    assert [stop.reason for stop in stored.end.stops] == ["max-runs"]
    for run in stored.runs:
        assert run.outcome.status == "ok"
        assert set(run.workloads) == {"pp16", "tg8"}
        trials = [trial for trial in run.trials if not trial.is_warm_up]
        assert {trial.workload for trial in trials} == {"pp16", "tg8"}
        assert run.load
        assert run.log
        assert (measured.home.results / run.log).stat().st_size > 0
    assert measured.home.results.joinpath(stored.runs[0].log or "").parent.is_dir()


def test_nothing_but_the_record_and_the_lock_is_left(measured: Measured) -> None:
    assert {path.name for path in measured.home.folder.iterdir()} == {"results", "tmp"}
    assert {path.suffix for path in measured.home.temporary.iterdir()} <= {".lock"}


@pytest.mark.parametrize("how", ["latest", "prefix", "file name", "path"])
def test_show_repeats_the_table(measured: Measured, how: str) -> None:
    path = measured.home.record()
    names = {
        "latest": "latest",
        "prefix": load(path).experiment.id[:6],
        "file name": path.name,
        "path": str(path),
    }
    done = measured.home.harness("show", names[how])

    assert done.exit_code == 0
    assert done.stdout == measured.done.stdout
    assert "disturbed" in done.stderr
    assert "\nRecord: " in done.stderr


def test_show_alone_lists_what_is_stored(measured: Measured) -> None:
    done = measured.home.harness("show")

    assert done.exit_code == 0
    assert load(measured.home.record()).experiment.id in done.stdout
    assert "tiny-random:Q8_0" in done.stdout
    assert "cut short" not in done.stdout
    assert "harness show latest" in done.stderr


def test_show_alone_as_json_is_one_document(measured: Measured) -> None:
    done = measured.home.harness("show", "--json")

    assert (done.exit_code, done.stderr) == (0, "")
    (listed,) = done.document["experiments"]
    assert listed["experiment"] == load(measured.home.record()).experiment.id
    assert listed["models"] == ["tiny-random:Q8_0"]
    assert (listed["n_runs"], listed["is_complete"], listed["problem"]) == (2, True, None)


def test_show_as_json_is_the_documented_document(measured: Measured) -> None:
    done = measured.home.harness("show", "latest", "--json")

    assert done.exit_code == 0
    document = done.document
    assert set(document) == {
        "schema", "experiment", "origin", "started_at", "path", "machine", "conditions",
        "provenance", "cases", "verdicts", "stops", "findings", "serving", "loads",
        "conversations", "speculation",
    }  # fmt: skip
    assert document["schema"] == 2
    assert [case["workload"] for case in document["cases"]] == ["pp16", "tg8"]
    for case in document["cases"]:
        assert set(case) == CASE_KEYS
        assert case["outcome"] == {"status": "ok", "reason": None, "message": None}
        # Where others kept the machine busy, the figure stands under `disturbed`.
        figures = case["metrics"] | case["disturbed"]
        assert figures["tok_per_s"]["unit"] == "tok/s"
        assert 1 <= figures["tok_per_s"]["n"] <= 2
        for figure in figures.values():
            assert set(figure) == {"value", "low", "high", "n", "unit", "kind"}
            assert figure["low"] <= figure["value"] <= figure["high"]
    assert document["stops"][0]["reason"] == "max-runs"


@pytest.mark.parametrize("table_format", ["csv", "tsv"])
def test_separated_values_have_as_many_columns_in_each_row(
    measured: Measured, table_format: str
) -> None:
    done = measured.home.harness("show", "latest", "--format", table_format)

    assert done.exit_code == 0
    delimiter = {"csv": ",", "tsv": "\t"}[table_format]
    rows = list(csv.reader(StringIO(done.stdout), delimiter=delimiter))
    assert len(rows) > 10
    assert {len(row) for row in rows} == {len(rows[0])}
    assert {"model", "workload", "metric", "value", "low", "high", "n"} <= set(rows[0])


def test_the_github_format_is_a_table_of_markdown(measured: Measured) -> None:
    done = measured.home.harness("show", "latest", "--format", "github")

    assert done.exit_code == 0
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(table) > 10
    assert len({line.count("|") for line in table}) == 1


def test_the_json_format_is_the_same_as_json(measured: Measured) -> None:
    by_format = measured.home.harness("show", "latest", "--format", "json")
    by_option = measured.home.harness("show", "latest", "--json")

    assert by_format == by_option


def test_an_unknown_id_is_answered_with_those_there_are(measured: Measured) -> None:
    done = measured.home.harness("show", "zzzz")

    assert done.exit_code == 1
    error = done.error()
    assert "zzzz" in error
    assert load(measured.home.record()).experiment.id in error


def test_a_missing_experiment_file_is_named(measured: Measured) -> None:
    done = measured.home.harness("show", "nowhere.jsonl")

    assert done.exit_code == 1
    assert "nowhere.jsonl" in done.error()


def test_a_torn_last_line_is_left_out_and_told(measured: Measured, home: Home) -> None:
    lines = measured.home.record().read_bytes().split(b"\n")
    home.results.mkdir()
    torn = home.results / measured.home.record().name
    torn.write_bytes(b"\n".join([*lines[:2], lines[2][: len(lines[2]) // 2]]))
    done = home.harness("show", "latest")

    assert done.exit_code == 0
    assert "cut off in the middle" in done.stderr
    assert "cut short" in done.stderr
    assert done.stdout.startswith("tiny-random:Q8_0")
    assert "cut short" in home.harness("show").stdout


def test_a_damaged_line_in_the_middle_is_named_by_file_and_number(
    measured: Measured, home: Home
) -> None:
    lines = measured.home.record().read_bytes().split(b"\n")
    home.results.mkdir()
    damaged = home.results / "damaged.jsonl"
    damaged.write_bytes(b"\n".join([lines[0], b"{}", *lines[2:]]))
    done = home.harness("show", "damaged.jsonl")

    assert done.exit_code == 1
    assert "damaged.jsonl, line 2" in done.error()


def test_show_has_nothing_to_show_before_the_first_measurement(home: Home) -> None:
    listed = home.harness("show")
    latest = home.harness("show", "latest")

    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "harness run" in listed.stderr
    assert latest.exit_code == 1
    assert "harness run" in latest.error()
    assert home.harness("show", "--json").document == {"schema": 2, "experiments": []}


def test_an_empty_results_variable_means_the_default_folder(home: Home) -> None:
    assert "No experiments in results yet" in home.harness("show", HARNESS_RESULTS="").stderr


def test_the_results_folder_can_be_named_by_option_and_by_environment(
    measured: Measured, home: Home
) -> None:
    results = measured.home.results
    by_option = home.harness("show", "latest", "--results", results)
    by_environment = home.harness("show", "latest", HARNESS_RESULTS=str(results))

    assert by_option.stdout == by_environment.stdout == measured.done.stdout


def test_a_reader_that_stops_reading_gets_no_traceback(measured: Measured) -> None:
    with measured.home.started("show", "latest", "--json", stdout=closed_pipe()) as show:
        done = show.done()

    assert (done.exit_code, done.stderr) == (1, "")
