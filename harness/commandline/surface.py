"""
The command line as data: every command and option, without importing what the commands import.

harness/data/commands.json is written from the commands themselves (tools/command_table.py); a
test holds it against them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

FILE = Path(__file__).resolve().parents[1] / "data" / "commands.json"


@dataclass(frozen=True)
class Parameter:
    """
    An option, or where there are no `options` an argument.

    `kind` is what it takes (options.Word, places.Place); `choices` are values with what they mean;
    `is_list`: several of them with commas between; `is_many`: it may be repeated. `fields` are
    those of options.Word. `is_own`: it shares its name, and not its meaning, with other commands'.
    `is_written`: it names a file that is going to be written.
    """

    name: str
    options: tuple[str, ...] = ()
    help: str = ""
    is_flag: bool = False
    is_many: bool = False
    is_list: bool = False
    kind: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    is_own: bool = False
    is_written: bool = False


@dataclass(frozen=True)
class Known:
    """A command: what it does in a sentence, and its parameters in the order of its help."""

    help: str
    parameters: tuple[Parameter, ...]


@cache
def known_commands() -> Mapping[str, Known]:
    """All of them by their whole names, "baseline save", in the order of help."""
    found: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text("utf-8"))
    return {
        name: Known(head["help"], tuple(Parameter(**row) for row in rows))
        for name, (head, *rows) in found.items()
    }


Offer = Callable[[Parameter, click.Context, str], list[CompletionItem[str]]]
"""What a shell may offer for a parameter, given the line so far and what of the value is typed."""


def stand_in(name: str, offer: Offer) -> click.Command:
    """
    A command with the options of the real one, for a line that is read and never carried out.

    Args:
        name: The whole name of a known command.
        offer: Asked for values of its parameters.
    """
    known = known_commands()[name]
    parameters = [_parameter(each, offer) for each in known.parameters]
    below = [each for each in known_commands() if each.startswith(f"{name} ")]
    word = name.rpartition(" ")[2]
    if not below:
        return click.Command(word, params=parameters, help=known.help)
    group = click.Group(word, params=parameters, help=known.help, invoke_without_command=True)
    for each in below:
        group.add_command(stand_in(each, offer))
    return group


def _parameter(known: Parameter, offer: Offer) -> click.Parameter:
    if not known.options:
        nargs = -1 if known.is_many else 1
        argument = click.Argument([known.name], type=_Offered(known, offer), nargs=nargs)
        argument.required = False
        return argument
    names = [known.name, *known.options]
    if known.is_flag:
        return click.Option(names, is_flag=True, help=known.help)
    kind = _Offered(known, offer)
    return click.Option(names, type=kind, multiple=known.is_many, help=known.help)


class _Offered(click.types.StringParamType):
    """Any text; what it may be is offered."""

    def __init__(self, known: Parameter, offer: Offer) -> None:
        self._known = known
        self._offer = offer

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Of this parameter."""
        del param
        return self._offer(self._known, ctx, incomplete)
