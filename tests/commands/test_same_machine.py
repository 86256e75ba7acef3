"""Whatever compares machines takes one that was told less of for the same, and no other one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from analysis.speed.test_calibration import calibrated
from make.memory_reading import watched
from make.records import make_end, make_experiment, make_machine, make_model, make_runs
from make.work import make_work

from commands.claim.test_table import CATALOG
from harness.analysis.comparison import differences, mismatches
from harness.analysis.gate.match import circumstances, match
from harness.analysis.measured import measured_of
from harness.analysis.roster import Roster
from harness.commands.claim.stored import measured_here
from harness.commands.frontier.candidates import Candidate
from harness.commands.frontier.stored import stored_speeds
from harness.measure import bandwidth_here, corrections
from harness.measure.speed_here import load_calibration, save_calibration
from harness.models.model import Model
from harness.records.store import ExperimentWriter
from harness.schema.experiment import Experiment
from harness.schema.machine import Machine

FULL = make_machine(model="ASUS Zenbook 14")
BLIND = make_machine(
    id="bbbbbbbbbb", n_cores_physical=None, core_levels=(), last_level_cache_bytes=None
)
OTHER = make_machine(id="cccccccccc", model="ASUS Zenbook 14", memory_bytes=48_000 << 20)

Party = Callable[[Machine, Machine, Path], bool]
"""Whether what was found out on the first machine counts on the second."""


def experiment_on(machine: Machine) -> Experiment:
    return make_experiment(("tg128",), machine=machine)


def kept(machine: Machine, folder: Path) -> Path:
    with ExperimentWriter(folder, experiment_on(machine)) as writer:
        for run in make_runs():
            writer.append_run(run)
        writer.finish(make_end())
    return folder


def by_compare(stored: Machine, here: Machine, _: Path) -> bool:
    a, b = (next(iter(measured_of(experiment_on(it), make_runs()))) for it in (stored, here))
    found = [it for it in mismatches(a, b) if it.kind == "machine"]
    told = [it.text for it in differences(a, b) if "taken for one" in it.text]
    assert len(told) == (stored.id != here.id and not found)
    return not found


def by_gate(stored: Machine, here: Machine, _: Path) -> bool:
    experiments = experiment_on(stored), experiment_on(here)
    baseline, candidate = (list(measured_of(it, make_runs())) for it in experiments)
    is_same = bool(match(baseline, candidate).pairs)
    told = [it.text for it in circumstances(*experiments) if "taken for one" in it.text]
    assert len(told) == (stored.id != here.id and is_same)
    return is_same


def by_claim(stored: Machine, here: Machine, folder: Path) -> bool:
    return bool(measured_here(kept(stored, folder), here, CATALOG).cells)


def by_frontier(stored: Machine, here: Machine, folder: Path) -> bool:
    model = make_model()
    candidates = [Candidate(model.key, Model(model, (), "local", "model.gguf"))]
    # Its digest tells that it is the same file.
    return bool(stored_speeds(candidates, kept(stored, folder), here).sides)


def by_corrections(stored: Machine, here: Machine, _: Path) -> bool:
    works = {make_model().key: make_work()}
    experiment = experiment_on(stored).model_copy(update={"works": works})
    return corrections._is_of(experiment, here, experiment.provenance.engine)


def by_calibration(stored: Machine, here: Machine, folder: Path) -> bool:
    made = calibrated(machine_id=stored.id, machine=stored)
    save_calibration(made, stored, folder)
    found = load_calibration(here, is_gpu=False, folder=folder)
    return found is not None and found.samples == made.samples


def by_bandwidth(stored: Machine, here: Machine, folder: Path) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(30))
        bandwidth_here.read_now(stored, 2, folder)
    return bandwidth_here.stored_bandwidth(here, 2, [], folder) is not None


def by_roster(stored: Machine, here: Machine, _: Path) -> bool:
    return len(Roster(map(experiment_on, (stored, here))).machines) == 1


PARTIES: dict[str, Party] = {
    "compare": by_compare,
    "roster": by_roster,
    "gate": by_gate,
    "claim": by_claim,
    "frontier": by_frontier,
    "corrections": by_corrections,
    "calibration": by_calibration,
    "bandwidth": by_bandwidth,
}


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize(
    ("stored", "here", "is_same"),
    [
        (FULL, FULL, True),
        (FULL, BLIND, True),
        (BLIND, FULL, True),
        (FULL, OTHER, False),
        (OTHER, BLIND, False),
    ],
    ids=["the same", "without /sys now", "without /sys then", "another", "another and blind"],
)
def test_what_was_found_out_on_a_machine_counts_on_it_alone(
    party: str, stored: Machine, here: Machine, is_same: bool, tmp_path: Path
) -> None:
    assert PARTIES[party](stored, here, tmp_path) == is_same


def test_a_calibration_from_before_it_held_the_machine_still_counts(tmp_path: Path) -> None:
    made = calibrated(machine_id=FULL.id)
    assert made.machine is None
    path = save_calibration(made, FULL, tmp_path)
    path.write_text(made.model_dump_json(exclude={"machine"}))
    assert load_calibration(FULL, is_gpu=False, folder=tmp_path) == made
    assert load_calibration(OTHER, is_gpu=False, folder=tmp_path) is None
