"""Line 1 of a record that is about to begin."""

from __future__ import annotations

import platform
import uuid

from harness import __version__
from harness.machine.conditions import read_conditions
from harness.machine.processes import BusyProcess
from harness.measure import runner
from harness.measure.rounds import now
from harness.measure.rpc import servers_of
from harness.schema.experiment import Experiment, Plan, Provenance, engine_of
from harness.schema.machine import Machine


def new_experiment(plan: Plan, machine: Machine, others: tuple[BusyProcess, ...]) -> Experiment:
    """
    An experiment about to begin: what measures, on what, in which condition.

    Raises:
        HarnessError: The engine cannot be loaded.
    """
    served = [model.served for model in plan.models if model.served]
    is_served = len(served) == len(plan.models)
    return Experiment(
        id=uuid.uuid4().hex[:8],
        started_at=now(),
        machine=machine,
        conditions=read_conditions(machine, others, names_others=False),
        provenance=Provenance(
            harness_version=__version__,
            python_version=platform.python_version(),
            engine=engine_of(served[0])
            if is_served
            else runner.describe_engine(servers_of(plan.engine_settings)),
        ),
        plan=plan,
    )
