"""`harness machine`: what this machine is, and what could spoil a measurement now."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from harness.commands import options
from harness.machine.bandwidth import sample_bandwidth
from harness.machine.conditions import read_conditions
from harness.machine.probe import default_threads, probe_machine
from harness.measure.runner import describe_engine
from harness.report.machine import machine_text


@click.command("machine")
@options.json_option
def command(as_json: bool) -> None:
    """Describe this machine, measure its memory, and name what could spoil a figure now."""
    machine = probe_machine()
    conditions = read_conditions(machine)
    n_threads = default_threads(machine)
    bandwidth = sample_bandwidth(n_threads, machine.last_level_cache_bytes, machine.memory_bytes)
    with tempfile.TemporaryDirectory() as folder:
        engine = describe_engine(Path(folder) / "engine.log")
    if not as_json:
        click.echo(machine_text(machine, conditions, bandwidth, engine, n_threads))
        return
    document = {
        "schema": 1,
        "machine": machine.model_dump(mode="json"),
        "conditions": conditions.model_dump(mode="json"),
        "bandwidth": bandwidth.model_dump(mode="json"),
        "engine": engine.model_dump(mode="json"),
        "default_threads": n_threads,
    }
    click.echo(json.dumps(document, indent=2))
