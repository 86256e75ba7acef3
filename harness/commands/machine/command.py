"""`harness machine`: what this machine is, and what could spoil a measurement now."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from harness.analysis.speed.calibration import Calibration, has_gpu, joined, staleness
from harness.commandline import options
from harness.commands.machine.page import machine_text
from harness.errors import MachineBusy
from harness.machine.awake import keep_awake
from harness.machine.bandwidth import sample_bandwidth
from harness.machine.conditions import read_conditions
from harness.machine.energy.meters import AtRest, read_at_rest
from harness.machine.probe import default_threads, probe_machine
from harness.measure.calibrate import calibrate
from harness.measure.lock import measuring
from harness.measure.runner import describe_engine
from harness.measure.speed_here import load_calibration, save_calibration
from harness.report import terminal
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Conditions, Machine


@click.command("machine")
@click.option(
    "--calibrate",
    "is_calibrating",
    is_flag=True,
    help="Measure small models first, so that speeds can be predicted; takes about two minutes.",
)
@click.option("--force", is_flag=True, help="Calibrate even where other programs use the machine.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@options.json_option
def command(is_calibrating: bool, force: bool, quiet: bool, as_json: bool) -> None:
    """Describe this machine, measure its memory, and name what could spoil a figure now."""
    machine = probe_machine()
    conditions = read_conditions(machine)
    n_threads = default_threads(machine)
    with tempfile.TemporaryDirectory() as folder:
        engine = describe_engine(Path(folder) / "engine.log")
    energy = read_at_rest()
    if is_calibrating:
        _calibrate(machine, engine, n_threads, conditions, force=force, is_quiet=quiet)
    bandwidth = sample_bandwidth(n_threads, machine.last_level_cache_bytes, machine.memory_bytes)
    calibration = load_calibration(machine, is_gpu=has_gpu(engine))
    stale = staleness(calibration, machine, engine, n_threads) if calibration else None
    if not as_json:
        about = (machine, conditions, bandwidth, engine, n_threads, calibration, stale, energy)
        click.echo(machine_text(*about))
        return
    document = {
        "schema": 1,
        "machine": machine.model_dump(mode="json"),
        "conditions": conditions.model_dump(mode="json"),
        "bandwidth": bandwidth.model_dump(mode="json"),
        "engine": engine.model_dump(mode="json"),
        "default_threads": n_threads,
        "calibration": _facts(calibration, stale),
        "energy": _energy_facts(energy),
    }
    click.echo(json.dumps(document, indent=2))


def _calibrate(
    machine: Machine,
    engine: EngineInfo,
    n_threads: int,
    conditions: Conditions,
    *,
    force: bool,
    is_quiet: bool,
) -> None:
    if conditions.warnings and not force:
        raise MachineBusy(
            "This is no moment to calibrate: "
            f"{' '.join(conditions.warnings)} Or calibrate as it is with --force."
        )
    console = terminal.console(is_quiet=is_quiet)

    def told(n_done: int, n_total: int, name: str) -> None:
        console.print(f"calibrating: {n_done + 1} of {n_total} · {name}")

    last = load_calibration(machine, is_gpu=has_gpu(engine))
    with measuring("calibration"), keep_awake():
        made = calibrate(machine, engine, n_threads, told)
    if last and not staleness(last, machine, engine, n_threads):
        made = joined(made, last)
        if not made.earlier:
            terminal.warn(
                console,
                f"The calibration of {last.measured_at[:10]} is dropped: models decoded at quite "
                "another speed then (battery, heat, a busy host).",
            )
    save_calibration(made, machine)


def _energy_facts(energy: AtRest) -> dict[str, object]:
    return {
        "sources": energy.sources,
        "idle": [domain.model_dump(mode="json") for domain in energy.idle],
        "obstacles": energy.obstacles,
    }


def _facts(calibration: Calibration | None, stale: str | None) -> dict[str, object] | None:
    if calibration is None:
        return None
    return {**calibration.model_dump(mode="json"), "stale": stale}
