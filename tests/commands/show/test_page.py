"""The list of what is stored."""

from __future__ import annotations

from pathlib import Path

from make.gate import put
from make.machines import experiment_on, put_fleet

from harness.commands.show.page import StoredList, page
from harness.records.listing import list_experiments
from harness.report import plain
from harness.schema.fleet import FleetPart


def listed(folder: Path) -> str:
    return plain.render(page(StoredList(folder, tuple(list_experiments(folder)), False)))


def test_of_one_machine_the_settings_stand_beside_each(tmp_path: Path) -> None:
    put(tmp_path, experiment_on("alone", 3))
    text = listed(tmp_path)
    assert "threads 3" in text
    assert "alone" not in text.replace("e-alone", "")


def test_of_several_the_machine_stands_in_that_place(tmp_path: Path) -> None:
    put_fleet(tmp_path)
    lines = listed(tmp_path).splitlines()
    assert "machine" in lines[0]
    for name in ("slow", "middle", "fast"):
        (line,) = (line for line in lines if line.startswith(f"e-{name}"))
        assert name in line.split()


def test_those_of_a_fleet_are_called_by_their_hosts(tmp_path: Path) -> None:
    for host in ("laptop", "studio"):
        made = experiment_on("alike", identity=f"e-{host}")
        put(tmp_path, made.model_copy(update={"fleet": FleetPart(id="f", host=host)}))
    lines = listed(tmp_path).splitlines()
    for host in ("laptop", "studio"):
        (line,) = (line for line in lines if line.startswith(f"e-{host}"))
        assert host in line.split()
