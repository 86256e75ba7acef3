"""Twins from the command line: measured like models, and called what they are."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO

import pytest

from cli.commandline import ONE_THREAD, QUICK, Done, Home
from harness.records.store import load

# The largest file of the catalogue: 2.05 TB.
_FAR_TOO_LARGE = "kimi-k2-instruct:BF16"


@dataclass(frozen=True)
class Rehearsed:
    home: Home
    done: Done


@pytest.fixture(scope="module")
def rehearsed(new_home: Callable[[], Home]) -> Rehearsed:
    home = new_home()
    arguments = ("--runs", "1", "--trials", "1", "-w", "pp16,tg8,chat", *ONE_THREAD)
    return Rehearsed(home, home.harness("rehearse", "tiny-random", *arguments))


def _offline(home: Home, name: str, *arguments: str) -> Done:
    arguments = ("--offline", "--dir", "twins", *arguments)
    return home.harness("rehearse", name, *arguments, HF_HOME=str(home.folder / "hub"))


def test_a_twin_is_measured_like_a_model_and_called_rehearsed(rehearsed: Rehearsed) -> None:
    done = rehearsed.done
    assert done.exit_code == 0, done.stderr
    heading = done.stdout.split("\n\n")[1]
    assert heading.startswith("tiny-random:Q8_0 · Q8_0 · 1.02 MB · rehearsed · threads ")
    for workload in ("pp16", "tg8", "chat"):
        assert f"\n{workload} " in done.stdout
    assert "rehearsed with random weights" in done.stderr.replace("\n", " ")


def test_nothing_is_left_of_the_twin(rehearsed: Rehearsed) -> None:
    assert not list(rehearsed.home.cache.glob("twins/*"))


def test_the_record_and_everything_shown_of_it_say_so(rehearsed: Rehearsed) -> None:
    home = rehearsed.home
    stored = load(home.record())
    assert [file.is_twin for file in stored.experiment.plan.models] == [True]
    document = home.harness("show", "latest", "--json").document
    assert {case["rehearsed"] for case in document["cases"]} == {True}
    rows = list(csv.DictReader(StringIO(home.harness("show", "latest", "--format", "csv").stdout)))
    assert {row["evidence"] for row in rows} == {"rehearsed"}
    assert "rehearsed" in home.harness("show", "latest", "--format", "github").stdout


@pytest.mark.slow
def test_a_kept_twin_lies_where_it_was_asked_for_and_is_a_model_like_any(home: Home) -> None:
    done = home.harness("rehearse", "tiny-random", *QUICK, "--keep", "--dir", "twins")
    assert done.exit_code == 0, done.stderr
    files = [path for path in (home.folder / "twins").rglob("*") if path.is_file()]
    assert [path.stat().st_size for path in files] == [1_024_768]
    again = home.harness("run", str(files[0]), *QUICK, "--json")
    assert {case["rehearsed"] for case in again.document["cases"]} == {False}


@pytest.mark.slow
def test_a_model_is_rehearsed_from_its_shape_alone(home: Home) -> None:
    name = "gemma-3-270m-it:Q4_0"
    done = _offline(home, name, "-w", "pp16,chat", "--runs", "1", "--trials", "1", *ONE_THREAD)
    assert done.exit_code == 0, done.stderr
    assert "header from the catalogue's shape" in done.stderr
    assert "no tokenizer; chat runs on random tokens" in done.stderr
    assert "chat ran on 270 random tokens: the model has no tokenizer" in done.stderr
    trial = next(
        trial
        for run in load(home.record()).runs
        for trial in run.trials
        if trial.workload == "chat"
    )
    assert trial.n_prompt == 270
    assert trial.tokenize_ns is None
    assert trial.ttft_ns is not None
    assert list((home.folder / "twins").iterdir()) == []


@pytest.mark.slow
def test_a_stand_in_for_an_unpublished_mix_is_told(home: Home) -> None:
    done = _offline(home, "qwen3-0.6b:ud-q4_k_xl", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert (
        "nobody published which types UD-Q4_K_XL gives to which tensor; Q4_K_M stands for it"
        in done.stderr
    )


def test_what_cannot_fit_into_memory_is_refused_before_writing(home: Home) -> None:
    done = _offline(home, _FAR_TOO_LARGE, *QUICK)
    assert done.exit_code == 1
    assert done.error().startswith(f"{_FAR_TOO_LARGE} needs ")
    assert "--force" in done.error()
    assert not (home.folder / "twins").exists()


def test_a_twin_without_room_on_the_disk_is_refused_before_writing(home: Home) -> None:
    if shutil.disk_usage(home.folder).free > 2e12:
        pytest.skip("there is room for it on this disk")
    done = _offline(home, _FAR_TOO_LARGE, *QUICK, "--force")
    assert done.exit_code == 1
    assert f"the twin of {_FAR_TOO_LARGE} needs " in done.stderr
    assert "set --dir to a folder on a larger disk" in done.stderr
    assert [path for path in (home.folder / "twins").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["glm-5.3-flash", "kimi-k3"])
def test_a_model_without_header_and_layout_says_what_is_missing(home: Home, name: str) -> None:
    done = _offline(home, name, *QUICK)
    assert done.exit_code == 1
    assert done.error().startswith(name)
    assert "neither a header nor a layout" in done.error()


@pytest.mark.slow
def test_an_interrupted_rehearsal_leaves_no_twin(home: Home) -> None:
    arguments = ("-w", "sustain60", "--trials", "1", "--runs", "9", *ONE_THREAD)
    with home.started("rehearse", "tiny-random", "--dir", "twins", *arguments) as started:
        started.worker_of_run(1)
        twins = home.folder / "twins"
        assert [path.stat().st_size for path in twins.rglob("*.gguf")] == [1_024_768]
        started.interrupt()
        done = started.done()
    assert done.exit_code == 130
    assert [path for path in twins.rglob("*") if path.is_file()] == []


def test_rehearse_asks_for_a_model(home: Home) -> None:
    done = home.harness("rehearse")
    assert done.exit_code == 2
    assert "Missing argument" in done.error()
