"""A plan as the commands of a fleet take it: with the options of `harness run` themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from harness.commandline import config
from harness.commandline.fleet_options import Way
from harness.commandline.measuring_options import MEASURING
from harness.commandline.run_words import read_words
from harness.commands.fleet.plan import FleetPlan, Option, PlannedHost, read_plan
from harness.errors import UsageError

# A machine that is taken is waited for anyway.
_IN_PLANS = (MEASURING - {"wait"}) | {"n_users", "draft", "draft_max"}


def typed_plan(context: click.Context, path: Path, hosts: Sequence[str], way: Way) -> FleetPlan:
    """
    The plan in `path` for `hosts`, of which all is possible as far as that is known here.

    Raises:
        HarnessError: The file cannot be read, or is no plan.
        UsageError: It says what cannot be.
    """
    read = read_plan(path, hosts, way.command, _options(context))
    for each in read.hosts:
        _require_words(each, path)
    return read


def _require_words(planned: PlannedHost, path: Path) -> None:
    """Nothing, if what is asked of a host makes sense together, as far as that is known here."""
    try:
        read_words(planned.words)
    except UsageError as error:
        raise UsageError(f"{path}: for {planned.host}: {error}") from None


def _options(context: click.Context) -> Mapping[str, Option]:
    """What a plan may say."""
    root = context.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    run = group.get_command(root, "run")
    assert run is not None
    return {
        each.opts[-1].lstrip("-"): Option(partial(_typed, root, each), each.is_flag)
        for each in run.params
        if isinstance(each, click.Option) and each.name in _IN_PLANS
    }


def _typed(
    context: click.Context, option: click.Option, value: object, where: str
) -> str | tuple[str, ...]:
    return config.check(option, value, where, context)
