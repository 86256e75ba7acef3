"""
Writes harness/data/commands.json, the command line as data: `python -m tools.command_table`.

Shells that complete a line, and the file of defaults, need to know of every command and option
without importing what the commands import. tests/test_docs.py holds the file against what would be
written, so it is never old.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click

from harness import cli
from harness.commandline.options import Word
from harness.commandline.places import Place
from harness.commandline.surface import FILE

# Their type is a reader of any names: which devices there are only the engine knows.
_KINDS = {"devices": "device"}


def text() -> str:
    """The whole file, a line for each option, so that two changes of it seldom meet."""
    root = click.Context(cli.group)
    rows = [_lines(name, command) for name, command in _below(root)]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def write() -> None:
    """Writes it."""
    FILE.write_text(text(), "utf-8", newline="\n")


def _below(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Every command under its whole name, "baseline save"."""
    assert isinstance(context.command, click.Group)
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            for below, each in _below(click.Context(command)):
                yield f"{name} {below}", each


def _lines(name: str, command: click.Command) -> str:
    rows = [json.dumps(_row(each), ensure_ascii=False) for each in command.params]
    rows.insert(0, json.dumps({"help": command.get_short_help_str(_MOST)}, ensure_ascii=False))
    return f" {json.dumps(name)}: [\n  " + ",\n  ".join(rows) + "\n ]"


# Of a sentence beside a value in a shell's list.
_MOST = 72


def _row(parameter: click.Parameter) -> dict[str, Any]:
    """What is true of it; what is not true of it is left out."""
    kind = parameter.type
    choices = getattr(kind, "choices", ())
    row = {
        "name": parameter.name,
        "options": [*parameter.opts, *parameter.secondary_opts],
        "help": _short(getattr(parameter, "help", "") or ""),
        "is_flag": getattr(parameter, "is_flag", False),
        "is_many": parameter.nargs == -1 or parameter.multiple,
        "is_list": kind.name == "list",
        "kind": _kind(parameter),
        "choices": choices if isinstance(choices, dict) else dict.fromkeys(choices, ""),
        "fields": getattr(kind, "fields", None),
        "is_own": getattr(parameter, "is_own", False),
        "is_written": getattr(kind, "is_written", False),
    }
    if isinstance(parameter, click.Argument):
        del row["options"]
    return {key: value for key, value in row.items() if value}


def _kind(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, Word):
        return parameter.type.kind
    if isinstance(parameter.type, Place):
        return parameter.type.name
    return _KINDS.get(parameter.name or "", "")


def _short(help: str) -> str:
    """The first sentence of an option's help."""
    first = re.split(r"(?<=[.:;])\s", help, maxsplit=1)[0].rstrip(".:;")
    return first if len(first) <= _MOST else first[: _MOST - 1] + "…"


if __name__ == "__main__":
    write()
