"""`harness compare` as its user meets it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from make.small_models import SmallLlama, write_small_model

from cli import gguf_damage
from cli.commandline import ONE_THREAD, Done, Home
from harness import cli
from harness.analysis.formulas import trials_of, why_disturbed
from harness.errors import HarnessError
from harness.records.store import StoredExperiment, load
from harness.schema.settings import setting_text

UNEXPLAINED = "What the figures are: --explain"
LONG_NAME = "a-model-whose-name-is-longer-than-any-that-a-sensible-person-would-type-twice.gguf"
# Until it is decided: on a machine that others use, rounds are repeated.
_PATIENT = pytest.mark.timeout(300)
QUICK = ("--runs", "2", "--trials", "1", "-w", "tg8", *ONE_THREAD)


@dataclass(frozen=True)
class Compared:
    home: Home
    done: Done

    @property
    def stored(self) -> Path:
        return next(self.home.results.glob("*.jsonl"))


@pytest.fixture(scope="module")
def compared(new_home: Callable[[], Home]) -> Compared:
    """One model under two sizes of a batch, in two rounds."""
    home = new_home()
    done = home.harness("compare", "tiny-random", *QUICK, "--batch-size", "64,128")
    return Compared(home, done)


def test_what_was_measured_side_by_side_is_a_table_of_80_columns(compared: Compared) -> None:
    done = compared.done
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    answer, sides, *_ = done.stdout.split("\n\n")
    assert "batch-size 128" in answer
    assert "batch-size 64" in answer
    assert "tg8 tok/s" in answer
    a, b = sides.splitlines()
    assert a.startswith("A  tiny-random:Q8_0 · threads 1, batch-size 64")
    assert b.startswith("B  tiny-random:Q8_0 · threads 1, batch-size 128")
    assert max(map(len, lines)) <= 80
    need = next(line.split() for line in lines if line.startswith("  needed"))
    assert need[-1] in ("same", "larger", "smaller")
    assert "\x1b" not in done.stdout + done.stderr
    assert "Rounds: 2, then all runs made" in done.stderr
    assert "Record: " in done.stderr


def test_two_rounds_do_not_pretend_to_know(compared: Compared) -> None:
    lines = compared.done.stdout.splitlines()
    rate = lines[lines.index("tg8") + 1]
    assert rate.startswith("  tok/s ")
    assert " – " in rate
    assert "Minimum detectable difference" in " ".join(lines)


def test_the_rounds_are_interleaved_and_whole(compared: Compared) -> None:
    stored = load(compared.stored)
    assert [run.round for run in stored.runs] == [0, 0, 1, 1]
    for index in (0, 1):
        batches = [
            setting_text(run.settings, "n_batch") for run in stored.runs if run.round == index
        ]
        assert sorted(batches) == ["128", "64"]


def test_the_stored_rounds_give_the_same_table_again(compared: Compared) -> None:
    again = compared.home.harness("compare", "--stored", "n_batch=64", "n_batch=128")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == compared.done.stdout
    assert again.stderr == f"\n{UNEXPLAINED}\n"


def test_what_was_measured_until_decided_keeps_its_wider_interval(compared: Compared) -> None:
    copy = compared.home.folder / "until" / compared.stored.name
    copy.parent.mkdir()
    text = compared.stored.read_text()
    assert '"max-runs"' in text
    copy.write_text(text.replace('"max-runs"', '"decided"'))
    sides = (f"{copy},n_batch=64", f"{copy},n_batch=128")
    looked_often = compared.home.harness("compare", "--stored", *sides, "--explain").stdout
    looked_often = " ".join(looked_often.split())
    assert "99.97 % interval" in looked_often
    assert "Measured until decided" in looked_often
    assert "99 % interval" in " ".join(compared.done.stdout.split())
    assert "until decided" not in compared.done.stdout


def n_undisturbed_rounds(stored: StoredExperiment) -> int:
    """Rounds that others left a pair of neighbours alone in; they take the CPU when they please."""
    machine = stored.experiment.machine
    clean: dict[int, list[set[int]]] = {}
    for run in stored.runs:
        trials = trials_of(run, "tg8")
        indices = {it.index for it in trials if not why_disturbed(it, run, machine)}
        clean.setdefault(run.round, []).append(indices)
    return sum(bool(set.intersection(*sides)) for sides in clean.values())


def test_json_is_one_document_of_plain_numbers(compared: Compared) -> None:
    done = compared.home.harness(
        "compare", "--stored", "n_batch=64", "n_batch=128", "--json", "--metric", "tok_per_s,need"
    )
    json.loads(done.stdout, parse_constant=pytest.fail)
    (pair,) = done.document["comparisons"]
    assert [each["metric"] for each in pair["figures"]] == ["tok_per_s", "need"]
    rate = pair["figures"][0]
    n_rounds = n_undisturbed_rounds(load(compared.stored))
    if n_rounds:
        assert (rate["pairing"], rate["ratio"]["n"]) == ("turns", n_rounds)
    assert pair["a"]["settings"]["n_batch"] == 64


def test_csv_is_raw_figures(compared: Compared) -> None:
    done = compared.home.harness(
        "compare", "--stored", "n_batch=64", "n_batch=128", "--format", "csv"
    )
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header[:5] == ["a", "b", "workload", "metric", "a_value"]
    assert {"ratio_value", "ratio_low", "ratio_high", "verdict"} <= set(header)
    assert len(rows) >= 2
    assert {len(row) for row in rows} == {len(header)}


def test_another_machine_is_not_comparable_unless_that_is_the_question(
    compared: Compared,
) -> None:
    text = compared.stored.read_text()
    elsewhere = compared.home.folder / "elsewhere.jsonl"
    head, rest = text.split("\n", 1)
    record = json.loads(head)
    record["id"], record["machine"]["id"] = "deadbeef", "another"
    elsewhere.write_text(json.dumps(record) + "\n" + rest)
    sides = (f"{compared.stored},n_batch=64", f"{elsewhere},n_batch=64")
    refused = compared.home.harness("compare", "--stored", *sides)
    assert refused.exit_code == 4
    assert "--across machine" in refused.error()
    told = compared.home.harness("compare", "--stored", *sides, "--across", "machine")
    assert told.exit_code == 0, told.stderr
    assert "at different times" in told.stdout


@pytest.mark.slow
def test_a_model_that_fails_is_a_row_and_ends_the_comparison_soon(
    home: Home, tiny_model: Path
) -> None:
    alien = gguf_damage.with_architecture(tiny_model.read_bytes(), b"alien")
    path = gguf_damage.write(home.folder, "alien.gguf", alien)
    many = ("--runs", "50", "--trials", "1", "-w", "tg8", *ONE_THREAD)
    done = home.harness("compare", "tiny-random", path, *many)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    row = lines[lines.index("tg8") + 1].split()
    assert row[0] == "tok/s"
    assert row[-1] == "failed"
    assert "B failed: " in done.stdout
    assert len(home.runs()) == 3  # the other one is tried twice, for a crash may be chance


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--stored", "a"), "two selectors"),
        (("--stored", "a", "b", "--until", "decided"), "--until is for measuring"),
        (("--stored", "a", "b", "-t", "2"), "--threads is for measuring"),
        (("--stored", "a", "b", "--results", "nowhere"), "No experiment is stored in nowhere"),
        (("a", "b", "--across", "build"), "--across is for --stored"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(cli.group, ["compare", *arguments])
    assert isinstance(result.exception, HarnessError)
    assert says in str(result.exception)
    assert result.stdout == ""


def test_an_unknown_metric_is_answered_with_those_there_are() -> None:
    result = CliRunner().invoke(cli.group, ["compare", "a", "b", "--metric", "speed"])
    assert result.exit_code == 2
    assert "not one of tok_per_s, ttft" in result.stderr


def test_one_model_alone_is_nothing_to_compare(home: Home) -> None:
    done = home.harness("compare", "tiny-random", *QUICK)
    assert done.exit_code == 2
    assert "nothing to compare" in done.error()
    assert not home.results.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_keeps_the_rounds_and_tells_what_they_tell(home: Home) -> None:
    arguments = ("--runs", "9", "--trials", "1", "-w", "tg1500", *ONE_THREAD, "-b", "64,128")
    with home.started("compare", "tiny-random", *arguments) as compare:
        compare.said("run  2  ")
        compare.worker_of_run(3)
        compare.interrupt()
        done = compare.done()
    assert done.exit_code == 130
    assert "Traceback" not in done.stderr
    assert "then interrupted" in done.stderr
    how = (
        "To go on with it, each of 2 models and settings until it is precise: harness run --resume"
    )
    assert how in " ".join(done.stderr.split())
    assert len(home.runs()) == 3
    lines = done.stdout.splitlines()
    rate = lines[lines.index("tg1500") + 1].split()
    # Where others kept the machine busy, there is nothing to compare.
    assert rate[-3:] == ["–", "1", "inconclusive"] or "disturbed" in rate


@dataclass(frozen=True)
class TwoModels:
    home: Home
    done: Done
    again: Done


@pytest.fixture(scope="module")
def two_models(new_home: Callable[[], Home]) -> TwoModels:
    """Of very different size and long names, until it is decided; then without the time for it."""
    home = new_home()
    write_small_model(home.folder / LONG_NAME, SmallLlama(n_layer=8))
    arguments = (
        "tiny-random",
        LONG_NAME,
        "--metric",
        "tok_per_s,need",
        "--trials",
        "1",
        *ONE_THREAD,
    )
    many = ("-w", "tg16@d1024,pp16", "--until", "decided")
    done = home.harness("compare", *arguments, *many, "--budget", "10m")
    return TwoModels(home, done, home.harness("compare", *arguments, *many, "--budget", "1s"))


def verdict_in(lines: list[str], workload: str) -> str:
    """What B is in the first figure of `workload`, which stands beside it where there is room."""
    table = lines[next(at for at, line in enumerate(lines) if line.strip().startswith("---")) :]
    at = next(number for number, line in enumerate(table) if line.startswith(workload))
    return table[at + (table[at] == workload)].split()[-1]


@pytest.mark.slow
@_PATIENT
def test_measuring_on_ends_when_every_verdict_is_there(two_models: TwoModels) -> None:
    done = two_models.done
    assert done.exit_code == 0, done.stderr
    assert "then decided" in done.stderr
    lines = done.stdout.splitlines()
    for workload in ("tg16@d1024", "pp16"):
        assert verdict_in(lines, workload) == "slower"
    assert verdict_in(lines, "memory") == "larger"
    assert max(map(len, lines)) <= 80
    first, _ = sorted(two_models.home.results.glob("*.jsonl"))
    sides = (f"{first},tiny-random", f"{first},{LONG_NAME}")
    again = two_models.home.harness("compare", "--stored", *sides, "--metric", "tok_per_s,need")
    assert again.stdout == done.stdout, again.stderr


@pytest.mark.slow
@_PATIENT
def test_measuring_on_ends_when_the_budget_is_spent(two_models: TwoModels) -> None:
    done = two_models.again
    assert done.exit_code == 0, done.stderr
    assert "then budget spent" in done.stderr


@pytest.mark.slow
@_PATIENT
def test_models_of_two_experiments_are_compared_apart(two_models: TwoModels) -> None:
    first, second = sorted(two_models.home.results.glob("*.jsonl"))
    sides = (f"{first},tiny-random", f"{second},tiny-random")
    done = two_models.home.harness("compare", "--stored", *sides, "--json")
    assert done.exit_code == 0, done.stderr
    (pair,) = done.document["comparisons"]
    assert pair["mismatches"] == []
    assert {each["pairing"] for each in pair["figures"] if each["verdict"]} <= {"unpaired", "exact"}


@pytest.mark.slow
def test_threads_are_compared_like_anything_else(home: Home) -> None:
    arguments = ("--runs", "2", "--trials", "1", "-w", "tg8", "--threads", "1,2")
    done = home.harness("compare", "tiny-random", *arguments, "--format", "github", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "- A: tiny-random:Q8\\_0" in done.stdout or "- A: tiny-random:Q8_0" in done.stdout
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
