"""`harness gate` and `harness baseline` as a CI job calls them, on experiments that are stored."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from make.gate import make_candidate, put
from make.records import make_failed_run

from cli.commandline import QUICK, Home
from harness.schema.experiment import SCHEMA_VERSION


@pytest.fixture
def kept(home: Home) -> Home:
    """A folder with the baseline "main", eight quiet Runs of it."""
    put(home.results, make_candidate("base01", day=1))
    saved = home.harness("baseline", "save", "main", "base01")
    assert saved.exit_code == 0
    assert "`harness gate --baseline main` judges the newest" in " ".join(saved.stderr.split())
    return home


def test_as_fast_as_the_baseline_is_a_pass(kept: Home) -> None:
    put(kept.results, make_candidate("same01"), seed=2)
    done = kept.harness("gate", "--baseline", "main")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "\nPass: all" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_slower_than_allowed_is_a_regression_in_every_form(kept: Home) -> None:
    put(kept.results, make_candidate("slow01"), slowdown=0.2, seed=2)
    summary, report = kept.folder / "summary.md", kept.folder / "gate.xml"
    summary.write_text("What other steps wrote.\n", "utf-8")
    done = kept.harness(
        "gate", "--baseline", "main", "--json", "--junit", report,
        GITHUB_STEP_SUMMARY=str(summary), GITHUB_ACTIONS="true",
    )  # fmt: skip
    assert done.exit_code == 3
    assert done.document["verdict"] == "regression"
    assert done.document["exit_code"] == 3
    assert done.stderr.splitlines()[0].startswith("::error title=harness gate::Regression")
    written = summary.read_text("utf-8")
    assert written.startswith("What other steps wrote.\n### harness gate: regression")
    suite = ET.fromstring(report.read_bytes())
    assert len(suite.findall(".//failure")) == 2


def test_a_larger_limit_lets_it_pass(kept: Home) -> None:
    put(kept.results, make_candidate("slow01"), slowdown=0.2, seed=2)
    done = kept.harness("gate", "--baseline", "main", "--max-slowdown", "+30%")
    assert done.exit_code == 0, done.stdout
    assert "::" not in done.stderr  # nobody asked for annotations


def test_without_a_baseline_nothing_is_decided_unless_that_may_pass(home: Home) -> None:
    put(home.results, make_candidate("first1"))
    done = home.harness("gate", "--baseline", "latest")
    assert done.exit_code == 4
    assert "Inconclusive:" in done.stdout
    assert home.harness("gate", "--baseline", "latest", "--inconclusive", "pass").exit_code == 0


def test_the_best_of_earlier_experiments_is_found_by_itself(home: Home) -> None:
    put(home.results, make_candidate("slow01", day=1), slowdown=0.2)
    put(home.results, make_candidate("fast01", day=2))
    put(home.results, make_candidate("cand01", day=3), slowdown=0.2, seed=2)
    best = home.harness("gate", "--baseline", "best")
    assert (best.exit_code, "fast01" in best.stdout) == (3, True)
    latest = home.harness("gate", "slow01", "--baseline", "latest")
    assert latest.exit_code == 4  # there is none before it


@pytest.mark.slow
def test_another_machine_is_not_compared_unless_asked(kept: Home) -> None:
    other = make_candidate("other1")
    put(
        kept.results,
        other.model_copy(update={"machine": other.machine.model_copy(update={"id": "ffff"})}),
    )
    done = kept.harness("gate", "--baseline", "main")
    assert (done.exit_code, "--across machine" in done.stdout) == (4, True)
    assert kept.harness("gate", "--baseline", "main", "--across", "machine").exit_code == 0


def test_two_runs_and_failed_runs_are_inconclusive(kept: Home) -> None:
    put(kept.results, make_candidate("few001", day=20), n_runs=2)
    few = kept.harness("gate", "--baseline", "main")
    assert (few.exit_code, "Runs" in few.stdout) == (4, True)
    failed = make_candidate("dead01", day=21)
    put(kept.results, failed, [make_failed_run(0)])
    dead = kept.harness("gate", "--baseline", "main", "--inconclusive", "pass")
    assert dead.exit_code == 4
    assert "failed" in dead.stdout


def test_a_baseline_of_a_newer_harness_is_inconclusive_and_says_why(kept: Home) -> None:
    path = put(kept.results, make_candidate("cand01"))
    newer = kept.folder / "newer.jsonl"
    ours = f'{{"schema":{SCHEMA_VERSION}'
    newer.write_text(path.read_text("utf-8").replace(ours, '{"schema":99', 1), "utf-8")
    done = kept.harness("gate", "--baseline", newer)
    assert done.exit_code == 4
    assert "Upgrade the harness" in done.stdout


def test_a_report_without_a_folder_is_refused_before_anything_else(home: Home) -> None:
    done = home.harness("gate", "--baseline", "main", "--junit", "missing/gate.xml")
    assert done.exit_code == 2
    assert "there is no folder missing; make it first" in done.error()


@pytest.mark.slow
def test_an_unknown_baseline_is_told_with_those_that_are_there(kept: Home) -> None:
    put(kept.results, make_candidate("cand01"))
    for options in ((), ("--inconclusive", "pass")):
        done = kept.harness("gate", "--baseline", "mian", *options)
        assert done.exit_code == 1
        assert "main" in done.error()
        assert "--missing pass" in done.error()
    first = kept.harness("gate", "--baseline", "mian", "--missing", "pass", "--json")
    assert first.exit_code == 0
    assert (first.document["verdict"], first.document["waived_by"]) == (
        "inconclusive",
        "--missing pass",
    )
    assert "main" in json.dumps(first.document["checks"])


@pytest.mark.slow
def test_baselines_are_listed_kept_and_removed(kept: Home) -> None:
    again = kept.harness("baseline", "save", "main", "base01")
    assert again.exit_code == 2
    assert "--force" in again.error()
    assert kept.harness("baseline", "save", "main", "base01", "--force").exit_code == 0
    (row,) = kept.harness("baseline", "--json").document["baselines"]
    assert (row["name"], row["experiment"], row["n_runs"]) == ("main", "base01", 8)
    assert kept.harness("baseline", "remove", "main").exit_code == 0
    assert kept.harness("baseline", "list").stdout == ""


def test_a_metric_that_nobody_measured_is_named(kept: Home) -> None:
    put(kept.results, make_candidate("cand01"))
    done = kept.harness("gate", "--baseline", "main", "--metric", "joules_per_token")
    assert done.exit_code == 4
    assert "which --metric asks for" in done.stdout.replace("\n", " ")


def test_words_that_are_no_limit_are_refused(kept: Home) -> None:
    for option, word in (
        ("--max-slowdown", "nan"), ("--max-kl", "-1"), ("--across", "everything"),
    ):  # fmt: skip
        done = kept.harness("gate", "--baseline", "main", option, word)
        assert (done.exit_code, done.stdout) == (2, "")
        assert option in done.stderr
    assert kept.harness("gate").exit_code == 2  # there is no baseline to guess
    assert kept.harness("baseline", "save", "../main").exit_code == 2


def test_a_candidate_that_is_not_there_is_an_error_in_one_line(kept: Home) -> None:
    done = kept.harness("gate", "nowhere", "--baseline", "main")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nowhere" in done.error()
    assert kept.harness("baseline", "remove", "nowhere").exit_code == 1


def test_a_summary_that_cannot_be_written_does_not_hide_the_verdict(kept: Home) -> None:
    put(kept.results, make_candidate("same01"), seed=2)
    done = kept.harness(
        "gate", "--baseline", "main", GITHUB_STEP_SUMMARY=str(kept.folder / "missing" / "s.md")
    )
    assert done.exit_code == 0
    assert "Pass:" in done.stdout
    assert "cannot be written (" in done.stderr


@pytest.mark.slow
def test_what_was_measured_twice_passes_within_a_wide_limit(home: Home) -> None:
    measure = ("run", "tiny-random", *QUICK, "--runs", "4")
    assert home.harness(*measure).exit_code == 0
    assert home.harness("baseline", "save", "main").exit_code == 0
    itself = home.harness("gate", "--baseline", "main")
    assert (itself.exit_code, "the candidate itself" in itself.stdout) == (4, True)
    assert home.harness(*measure).exit_code == 0
    done = home.harness("gate", "--baseline", "main", "--max-slowdown", "1000%")
    assert done.exit_code == 0, done.stdout
