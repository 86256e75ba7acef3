from __future__ import annotations

import re

import pytest

from harness.analysis.speed.chips import CHIPS
from harness.commands.claim.table import reference_host
from harness.errors import HarnessError, UsageError
from harness.models.catalog.file import parse_record
from harness.models.catalog.reference_machines import (
    ReferenceMachine,
    _Machines,
    chosen,
    load_reference_machines,
)

MACHINES = load_reference_machines()


def test_the_machines_are_those_the_claim_is_about() -> None:
    sizes = [(machine.name, machine.memory_gib) for machine in MACHINES]

    assert sizes == [
        ("laptop-16", 16),
        ("laptop-32", 32),
        ("desktop-24", 64),
        ("macbook-64", 64),
        ("studio-96", 96),
        ("studio-192", 192),
        ("studio-512", 512),
    ]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_machines_figures_agree_with_those_the_predictor_was_fitted_on(
    machine: ReferenceMachine,
) -> None:
    if machine.chip is None:
        assert machine.machine_class == "cpu"
        return
    chip = CHIPS[machine.chip]
    assert (chip.kind, chip.family) == (machine.machine_class, machine.family)
    assert chip.bandwidth_gb_per_s == machine.bandwidth_gb_per_s
    assert chip.tflops == machine.fp32_tflops


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_machine_leaves_something_to_its_system(machine: ReferenceMachine) -> None:
    share = machine.usable_gib / machine.memory_gib

    assert 0.3 < share < 0.92
    assert all(len(source) > 20 for source in machine.sources)
    assert machine.name in reference_host(machine).title


def test_larger_macs_give_a_larger_share() -> None:
    macs = [it for it in MACHINES if it.machine_class.startswith("apple")]
    shares = [it.usable_gib / it.memory_gib for it in macs]

    assert shares == pytest.approx(sorted(shares), abs=0.001)


def test_machines_are_chosen_by_name_in_any_case() -> None:
    assert [it.name for it in chosen(MACHINES, ["STUDIO-96", "laptop-16"])] == [
        "laptop-16",
        "studio-96",
    ]
    assert chosen(MACHINES, []) == MACHINES


def test_an_unknown_machine_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'laptop-17'.* did you mean laptop-16\?"):
        chosen(MACHINES, ["laptop-17"])


GOOD = """
schema: 1
machines:
  - name: box
    title: A box
    machine_class: cpu
    is_consumer: true
    memory_gib: 16
    usable_gib: 12
    bandwidth_gb_per_s: 50
    sources: [somebody]
"""


def test_a_good_file_is_read() -> None:
    (machine,) = parse_record(_Machines, GOOD, "m.yaml").machines

    assert machine.usable_bytes == 12 << 30
    assert machine.system_usable_bytes == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("usable_gib: 12", "usable_gib: 17", "more is usable than there is"),
        ("usable_gib: 12", "usable_gib: 12\n    system_usable_gib: 4", "belong together"),
        ("cpu", "nvidia", "has family, chip and fp32_tflops"),
        ("cpu", "cpu\n    chip: M4 10c", "only a GPU"),
        ("sources: [somebody]", "sources: []", "at least 1 item"),
        ("cpu", "abacus", "'apple-base'"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(HarnessError, match=re.escape(message)):
        parse_record(_Machines, GOOD.replace(old, new), "m.yaml")


def test_two_machines_of_one_name_are_refused() -> None:
    entry = GOOD.split("machines:\n")[1]
    with pytest.raises(HarnessError, match="box stands there twice"):
        parse_record(_Machines, GOOD + entry, "m.yaml")
