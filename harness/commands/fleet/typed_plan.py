"""A plan that is checked as the command line of each host would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.commandline.fleet_options import Way
from harness.commandline.measuring_options import MEASURING
from harness.commandline.run_words import read_words
from harness.commandline.written_options import Option
from harness.commands.fleet.plan import FleetPlan, PlannedHost, read_plan
from harness.errors import UsageError

# A machine that is taken is waited for anyway.
IN_PLANS = (MEASURING - {"wait"}) | {"n_users", "draft", "draft_max"}
"""What of `harness run` a plan may set."""


def typed_plan(
    path: Path, hosts: Sequence[str], way: Way, options: Mapping[str, Option]
) -> FleetPlan:
    """
    The plan in `path` for `hosts`, of which all is possible as far as that is known here.

    Args:
        path: The file.
        hosts: Those that are asked for.
        way: How they are reached.
        options: Those of IN_PLANS.

    Raises:
        HarnessError: The file cannot be read, or is no plan.
        UsageError: It says what cannot be.
    """
    read = read_plan(path, hosts, way.command, options)
    for each in read.hosts:
        _require_words(each, path)
    return read


def _require_words(planned: PlannedHost, path: Path) -> None:
    """Nothing, if what is asked of a host makes sense together, as far as that is known here."""
    try:
        read_words(planned.words)
    except UsageError as error:
        raise UsageError(f"{path}: for {planned.host}: {error}") from None
