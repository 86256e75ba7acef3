"""`harness fleet run`: a plan measured on several machines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.fleet_options import Way, way_options
from harness.commandline.output import Output, output_options
from harness.commandline.places import FILE
from harness.commandline.written_options import written_options
from harness.commands.fleet.document import FleetRun, document
from harness.commands.fleet.join import joined, named_hosts, tell_of, tell_reached
from harness.commands.fleet.page import hint, page
from harness.commands.fleet.plan import FleetPlan
from harness.commands.fleet.typed_plan import IN_PLANS, typed_plan
from harness.errors import ExitCode
from harness.fleet.fleet import measure_fleet, result_of
from harness.fleet.plan import PATIENCE_NS, HostPlan
from harness.fleet.stored import Begun, begun
from harness.records.rescue import require_writable
from harness.report.progress.fleet import FleetProgress


@dataclass(frozen=True)
class _Wanted:
    """How long a lost machine is waited for, and whether all is measured anew."""

    patience_ns: int
    again: bool


@click.command(
    "run",
    epilog=options.examples(
        "harness fleet run plan.yaml --hosts laptop,studio,local",
        "harness fleet run plan.yaml --hosts studio --harness ~/harness/.venv/bin/harness",
    ),
)
@click.argument("plan", type=FILE)
@way_options
@click.option(
    "--patience",
    "patience_ns",
    type=options.DURATION,
    default=f"{PATIENCE_NS // 60_000_000_000}m",
    show_default=True,
    help="Wait so long for a machine that is lost.",
)
@click.option("--again", is_flag=True, help="Measure anew what an earlier command has measured.")
@options.results_option
@output_options
@click.pass_context
def run_command(
    context: click.Context,
    /,
    plan: Path,
    way: Way,
    patience_ns: int,
    again: bool,
    results: Path,
    output: Output,
) -> int:
    """
    Measure what PLAN says on several machines, each on its own, and see them side by side.

    PLAN is a file in YAML: `models`, and options of `harness run` by their long names, for all
    machines and under `machines` for one. Each machine fetches its models by itself; the records
    come here. The same command again goes on with what an earlier one did not finish.
    """
    read = typed_plan(plan, named_hosts(way), way, written_options(context, "run", IN_PLANS))
    found = _measured(read, way, _Wanted(patience_ns, again), results, output)
    code = output.show(page(found), document(found), hint=hint(found))
    return found.result.exit_code or (ExitCode.ERROR if found.unreachable else code)


def _measured(
    plan: FleetPlan, way: Way, wanted: _Wanted, results: Path, output: Output
) -> FleetRun:
    # Who has measured all of it need not be there.
    before = Begun() if wanted.again else begun(results, plan.sha256)
    for problem in before.problems:
        output.warn(problem)
    require_writable(results)
    parts = before.parts
    settled = before.settled
    commands = {each.host: each.harness for each in plan.hosts if each.host not in settled}
    tell_reached(output, way, [*commands])
    with joined(way, [*commands], commands, tell_of(output)) as fleet:
        plans = [HostPlan(it.host, it.words) for it in plan.hosts if it.host not in fleet.failures]
        hosts = [each.host for each in plans if each.host in fleet.joined]
        progress = FleetProgress(output.console, hosts)
        with progress.shown():
            result = measure_fleet(
                plans,
                plan.sha256,
                fleet.cluster,
                results,
                progress,
                patience_ns=wanted.patience_ns,
                links=fleet.links,
                before=before,
            )
        # What there is of those that could not be reached stands beside the others all the same.
        shown = {host: result_of(parts[host]) for host in fleet.failures if host in parts}
        result = replace(result, results={**shown, **result.results})
        return FleetRun(plan, fleet.joined, fleet.failures, result)
