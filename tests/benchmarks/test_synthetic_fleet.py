"""Machines that do not exist, to see what many cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fleet_size import _powers
from benchmarks.synthetic_fleet import CLASSES, write_fleet
from harness.analysis.metrics import METRICS
from harness.analysis.roster import Roster
from harness.commands.compare.across import AcrossRequest, compare_machines
from harness.records.store import load


def test_each_is_a_machine_of_its_own_that_says_that_it_is_synthetic(tmp_path: Path) -> None:
    paths = write_fleet(tmp_path / "fleet", 3, 2)
    stored = [load(path) for path in paths]
    assert len(Roster(it.experiment for it in stored).machines) == 3
    for it in stored:
        assert it.experiment.machine.id.startswith("synthetic")
        assert it.experiment.machine.cpu in CLASSES
        assert {run.model for run in it.runs} == {"smollm2-135m:Q4_1", "synthetic-1:Q4_1"}
        assert it.end


def test_they_are_compared_like_any_others(tmp_path: Path) -> None:
    write_fleet(tmp_path / "fleet", 5, 1)
    found = compare_machines(AcrossRequest((), tmp_path / "fleet", 0.02, None, (), None)).found
    by_metric = {(it.workload, it.metric): it for it in found.standings}
    speeds = [row.entry.machine for row in by_metric["tg128", "tok_per_s"].rows]
    assert speeds == [4, 3, 2, 1, 0]
    assert all(it.metric in METRICS for it in found.standings)


def test_nothing_real_is_mixed_with_them(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        write_fleet(tmp_path, 1, 1)


def test_growth_is_the_power_between_two_sizes() -> None:
    assert list(_powers([10, 100, 1000], [1.0, 10.0, 1000.0])) == pytest.approx([1.0, 2.0])
