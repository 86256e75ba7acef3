"""Options of a command as a file may write them down."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import partial

import click

from harness.commandline import config


@dataclass(frozen=True)
class Option:
    """
    An option that a file may set; `is_flag`: it has no value.

    `typed` gives what would be typed for a value, with where that stands: each of an option that is
    repeated. It raises UsageError for what the option does not take.
    """

    typed: Callable[[object, str], str | tuple[str, ...]]
    is_flag: bool = False


def written_options(
    context: click.Context, command: str, parameters: Container[str]
) -> Mapping[str, Option]:
    """
    Those options of `command` that set one of `parameters`, by their long names without dashes.

    Args:
        context: Of any command of the program.
        command: One right below the program: "run".
        parameters: Names as the command's function has them.
    """
    root = context.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    found = group.get_command(root, command)
    assert found is not None
    return {
        each.opts[-1].lstrip("-"): Option(partial(_typed, root, each), each.is_flag)
        for each in found.params
        if isinstance(each, click.Option) and each.name in parameters
    }


def _typed(
    context: click.Context, option: click.Option, value: object, where: str
) -> str | tuple[str, ...]:
    return config.check(option, value, where, context)
