"""What is stored, as a list with a figure each and as the trend of a case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from make.records import (
    SETTINGS,
    make_end,
    make_experiment,
    make_failed_run,
    make_machine,
    make_model,
    make_run,
    run_of,
)
from make.trials import disturbed_counters, make_trial

from harness.commands.show import headlines
from harness.commands.show import trend as trends
from harness.commands.show.command import command
from harness.commands.show.page import MOST
from harness.errors import UsageError
from harness.records.store import StoredExperiment, load, write_whole
from harness.schema.experiment import Run

OTHER = SETTINGS.model_copy(update={"n_threads": 1})


def keep(folder: Path, day: int, rate: float = 100.0, *runs: Run, **changes: object) -> str:
    """An experiment of that day, in which tg128 had that rate; its id."""
    facts = {
        "id": f"day{day:05}",
        "started_at": f"2026-{1 + day // 28:02}-{1 + day % 28:02}T10:00:00+00:00",
    }
    experiment = make_experiment(("tg128",), **(facts | changes))  # type: ignore[arg-type]
    of_rate = runs or [make_run(n, ("tg128",), {"tg128": rate}) for n in range(3)]
    write_whole(folder, experiment, of_rate, make_end(3))
    return experiment.id


def show(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--results", str(folder)])


def points(folder: Path, *arguments: str) -> list[tuple[str, int | None]]:
    (found,) = json.loads(show(folder, *arguments, "--trend", "--json").stdout)["trends"]
    return [
        (it["experiment"], round(it["figure"]["value"]) if it["figure"] else None)
        for it in found["points"]
    ]


def test_a_case_is_followed_over_the_experiments_that_measured_the_same(tmp_path: Path) -> None:
    first, second = keep(tmp_path, 1, 100), keep(tmp_path, 2, 120)
    keep(tmp_path, 3, settings=(OTHER,))
    keep(tmp_path, 4, models=(make_model(sha256="f" * 64),))
    keep(tmp_path, 5, machine=make_machine(id="another", cpu="another"))
    keep(tmp_path, 6, models=(make_model(is_twin=True),))
    last = keep(tmp_path, 7, 90)
    found = points(tmp_path, last)
    assert [name for name, _ in found] == [first, second, last]
    assert [rate for _, rate in found] == pytest.approx([100, 120, 90], abs=3)
    assert points(tmp_path, first) == found
    assert points(tmp_path) == found


def test_the_page_says_it_in_a_sentence_and_draws_it(tmp_path: Path) -> None:
    for day, rate in enumerate((100, 130, 160)):
        keep(tmp_path, day, rate)
    said = show(tmp_path, "--trend")
    first = " ".join(said.stdout.split("\n\n")[0].split())
    assert first.startswith("smollm2-135m:Q4_1 · threads 2 · tg128 tok/s: 158 in the newest of 3")
    assert "▁▄█" in said.stdout or "▁▅█" in said.stdout
    assert "experiment=day00001 experiment=day00002" in said.stderr.replace("\n", " ")
    rows = show(tmp_path, "--trend", "--format", "csv").stdout.splitlines()
    assert len(rows) == 4
    assert rows[0].startswith("model,settings,workload,metric,experiment,started_at,build,value")


def test_what_has_no_figure_is_a_row_that_says_why(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    spoilt = run_of(make_trial("tg128", 30, counters=disturbed_counters()))
    keep(tmp_path, 2, 0, spoilt)
    keep(tmp_path, 3, 0, make_failed_run(workloads=("tg128",)))
    assert [rate is None for _, rate in points(tmp_path, "day00001")] == [False, True, True]
    text = show(tmp_path, "day00001", "--trend").stdout
    assert "disturbed" in text
    assert "failed" in text
    assert "measured once: a trend takes two experiments" in " ".join(text.split())


def test_only_the_newest_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = MOST + 10
    for day in range(n):
        keep(tmp_path, day)
    read: list[Path] = []

    def loaded(path: Path) -> StoredExperiment:
        read.append(path)
        return load(path)

    for module in (headlines, trends):
        monkeypatch.setattr(module, "load", loaded)
    assert len(points(tmp_path)) == trends.MOST
    assert len(read) == trends.MOST
    assert "10 older experiments were not read" in show(tmp_path, "--trend").stderr
    read.clear()
    rows = show(tmp_path, "--all").stdout.splitlines()[2:]
    assert len(rows) == n
    assert len(read) == MOST
    assert ["tg128" in row for row in rows] == [False] * 10 + [True] * MOST


def test_the_list_says_what_was_set_and_what_it_found(tmp_path: Path) -> None:
    keep(tmp_path, 1, 100)
    swept = [
        make_run(n, ("tg128",), {"tg128": (50.0, 200.0)[n % 2]}, settings=(SETTINGS, OTHER)[n % 2])
        for n in range(4)
    ]
    keep(tmp_path, 2, 0, *swept, settings=(SETTINGS, OTHER))
    keep(tmp_path, 3, 0, make_failed_run(workloads=("tg128",)))
    lines = show(tmp_path).stdout.splitlines()
    assert lines[0].split() == ["id", "started", "(UTC)", "models", "settings", "tok/s", "runs"]
    one, sweep, failed = (line.split() for line in lines[2:])
    assert one[4:8] == ["threads", "2", "tg128", "98.8"] or one[6] == "tg128"
    assert sweep[4:7] == ["2", "settings", "tg128"]
    assert "–" in sweep[7]
    assert failed[4:6] == ["threads", "2"]
    assert max(map(len, lines)) <= 80


def test_a_damaged_file_has_a_row_and_no_figure(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    (path,) = tmp_path.glob("*.jsonl")
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"{}", *lines[2:]]))
    listed = show(tmp_path)
    assert listed.exit_code == 0
    assert "tg128" not in listed.stdout


@pytest.mark.parametrize("option", ["--all", "--verbose", "--explain"])
def test_what_says_nothing_about_a_trend_is_refused(tmp_path: Path, option: str) -> None:
    keep(tmp_path, 1)
    assert isinstance(show(tmp_path, "--trend", option).exception, UsageError)
