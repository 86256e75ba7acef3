"""Energy from a counter of the kernel through the real worker to the figure in the table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from make.energy_sources import write_package
from make.records import make_experiment, make_machine, run_of
from make.shown import PATH, read, shown
from make.trials import make_counters

from harness.analysis.formulas import run_energy
from harness.measure.jobs.measure import MeasureReport, measure
from harness.report.document import document
from harness.report.measured_page import measured_result
from harness.schema.experiment import Run
from harness.schema.machine import Energy
from measure.test_runner import job

WORKER = Path(__file__).parents[1] / "make" / "energy_worker.py"
RANGE_UJ = 10_000_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="powercap is Linux's")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> MeasureReport:
    """A Run of three trials on a package whose counter comes round in the second of them."""
    root = tmp_path_factory.mktemp("root")
    # 1 J of rest, 5 J of warm-up, 5 J of the first trial, and 3 J of the second are left.
    write_package(root, RANGE_UJ - 14_000_000, RANGE_UJ)
    return measure(
        job(tiny_model, "tg16").model_copy(update={"reads_energy": True}),
        log=root / "run.log",
        command=(sys.executable, str(WORKER), str(root)),
    )


def package(energies: tuple[Energy, ...]) -> Energy:
    return next(one for one in energies if one.domain == "package-0")


def test_every_trial_holds_what_its_window_took(report: MeasureReport) -> None:
    assert report.outcome.status == "ok", report.outcome
    taken = [package(trial.energy) for trial in report.trials]
    assert [one.joules for one in taken] == pytest.approx([5.0] * 4)
    for trial, one in zip(report.trials, taken, strict=True):
        assert one.window_ns >= trial.total_ns + 20_000_000


def test_the_rest_before_loading_is_kept_and_is_no_part_of_loading(report: MeasureReport) -> None:
    idle = package(report.idle_energy)
    assert idle.joules == pytest.approx(1.0)
    assert idle.window_ns >= 200_000_000
    assert {"nvml", "battery"} <= set(report.energy_reasons_missing)
    assert report.load is not None
    # What is left besides the model is the start of Python, which took no part in the rest.
    assert 0 < report.load.process_ns < report.load.total_ns


def test_the_record_becomes_a_figure_in_table_and_document(report: MeasureReport) -> None:
    # As if nobody else had used the machine, which during tests is not certain.
    quiet = [
        trial.model_copy(update={"counters": make_counters(trial.total_ns)})
        for trial in report.trials
    ]
    facts = {
        "idle_energy": report.idle_energy,
        "energy_reasons_missing": report.energy_reasons_missing,
    }
    run = run_of(*quiet, **facts)
    run = Run.model_validate_json(run.model_dump_json())
    found = run_energy(run, "tg16", make_machine())
    experiment = make_experiment(("tg16",))
    result = measured_result(experiment, [run], (), PATH)
    assert found.joules is not None, found.reason
    watts = package(run.idle_energy).joules / package(run.idle_energy).window_ns * 1e9
    assert 0 < found.joules < 5 / 16
    assert found.idle_watts == pytest.approx(watts)
    assert "tg16      J/token" in shown(result)
    (case,) = read(document(result))["cases"]
    assert case["energy"]["domains"] == ["package-0"]
    assert case["metrics"]["joules_per_token"]["unit"] == "J/token"
    assert case["energy"]["of_domain"]["package-0"]["value"] == pytest.approx(found.joules)


def test_a_worker_that_is_not_asked_for_energy_tells_none(tmp_path: Path, tiny_model: Path) -> None:
    write_package(tmp_path)
    report = measure(
        job(tiny_model, "pp16"),
        log=tmp_path / "run.log",
        command=(sys.executable, str(WORKER), str(tmp_path)),
    )
    assert report.outcome.status == "ok", report.outcome
    assert report.idle_energy == ()
    assert report.energy_reasons_missing == {}
    assert {trial.energy for trial in report.trials} == {()}
