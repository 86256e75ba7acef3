"""What a fleet measured, as a page and as a document."""

from __future__ import annotations

import csv
import io
import json

from make.fleet_results import make_fleet_run
from make.records import make_experiment, make_failed_run, make_run, make_runs

from harness.commands.fleet.document import FleetRun, document
from harness.commands.fleet.page import hint, page
from harness.report import flat
from harness.report import json as as_json
from harness.report.plain import render
from harness.schema.settings import Settings


def shown(found: FleetRun, width: int = 80) -> str:
    return render((*page(found), *hint(found)), width)


def test_machines_stand_side_by_side() -> None:
    text = shown(make_fleet_run(), 100)
    assert "plan.yaml is measured on 2 of 2 machines: 12 Runs." in text
    (row,) = [line for line in text.splitlines() if line.startswith("  tg128")]
    assert row.split()[1:3] == ["tok/s", "119"]
    assert "158" in row
    assert "310 MiB" in text
    assert "harness compare results --across machine" in text


def test_each_line_fits_a_terminal() -> None:
    for width in (60, 80, 120):
        lines = [it for it in shown(make_fleet_run(), width).splitlines() if ".jsonl" not in it]
        assert max(map(len, lines)) <= width


def test_of_many_machines_each_piece_of_the_table_says_what_its_rows_are_of() -> None:
    experiment = make_experiment(("pp512", "tg128"))
    hosts = {f"studio-{number:02}": (experiment, make_runs()) for number in range(12)}
    text = shown(make_fleet_run(hosts))
    heads = [line for line in text.splitlines() if "  studio-" in line]
    assert len(heads) > 1
    assert all(line.split()[:2] == ["workload", "metric"] for line in heads)
    rows = [line for line in text.splitlines() if line.startswith("  tg128     tok/s ")]
    assert len(rows) == len(heads)


def test_what_is_left_is_told_with_its_reason_and_how_to_go_on() -> None:
    experiment = make_experiment(("tg128",))
    found = make_fleet_run(
        {"laptop": (experiment, make_runs(workloads=("tg128",)))},
        failures={"studio": "no room for its weights on this disk"},
        unreachable={"gpu-box": "there is no such host"},
    )
    text = shown(found)
    assert "plan.yaml is measured on 1 of 3 machines: 6 Runs." in text
    assert "studio: no room for its weights on this disk." in text
    assert "gpu-box: there is no such host." in text
    assert "To go on with studio, gpu-box: the same command again." in text
    states = {each.host: each.state for each in document(found).machines}
    assert states == {"laptop": "complete", "studio": "failed", "gpu-box": "unreachable"}


def test_a_machine_that_was_interrupted_keeps_its_figures() -> None:
    experiment = make_experiment(("tg128",))
    runs = make_runs(2, workloads=("tg128",))
    found = make_fleet_run({"laptop": (experiment, runs)}, interrupted=["laptop"])
    assert document(found).machines[0].state == "interrupted"
    assert "tg128" in shown(found)
    assert "the same command again" in shown(found)


def test_threads_that_each_machine_chose_for_itself_do_not_keep_them_apart() -> None:
    eight = Settings(n_threads=8)
    here = make_experiment(("tg128",)), make_runs(workloads=("tg128",))
    there = (
        make_experiment(("tg128",), settings=(eight,)),
        make_runs(workloads=("tg128",), settings=eight),
    )
    text = shown(make_fleet_run({"laptop": here, "studio": there}))
    assert len([line for line in text.splitlines() if line.lstrip().startswith("tg128")]) == 1


def test_a_setting_that_one_machine_sweeps_stands_beside_the_same_of_another() -> None:
    one, two = Settings(n_threads=1), Settings(n_threads=2)
    here = (
        make_experiment(("tg128",), settings=(one,)),
        make_runs(workloads=("tg128",), settings=one),
    )
    both = [make_run(n, ("tg128",), settings=(one, two)[n % 2]) for n in range(12)]
    there = make_experiment(("tg128",), settings=(one, two)), both
    text = shown(make_fleet_run({"laptop": here, "studio": there}))
    names = [line for line in text.splitlines() if "threads" in line]
    assert [name.split(" · ")[-1].split()[:2] for name in names] == [
        ["threads", "1"],
        ["threads", "2"],
    ]
    assert len([line for line in text.splitlines() if line.lstrip().startswith("tg128")]) == 2


def test_what_failed_says_so_in_its_place() -> None:
    experiment = make_experiment(("tg128",))
    failed = [make_failed_run(n, workloads=("tg128",)) for n in range(2)]
    text = shown(make_fleet_run({"laptop": (experiment, failed)}))
    (row,) = [line for line in text.splitlines() if "tg128" in line]
    assert "failed" in row


def test_programs_read_every_figure_with_its_host() -> None:
    found = make_fleet_run()
    rows = list(csv.DictReader(io.StringIO(flat.render(page(found), ","))))
    rates = {row["host"]: row["value"] for row in rows if row["metric"] == "tok_per_s"}
    assert set(rates) == {"laptop", "studio"}
    text = json.loads(as_json.render(document(found)))
    assert [case["host"] for case in text["cases"]] == ["laptop", "studio"]
    assert text["machines"][0]["worker"]["idle_cores_share"] == 0.0042
    assert make_run().model == text["cases"][0]["model"]
