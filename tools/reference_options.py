"""
Writes docs/reference/options.md from the commands' own help, and with it the same as data
(tools/command_table.py): `python -m tools.reference_options`.

tests/test_docs.py holds both against what would be written, so they are never old.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from inspect import cleandoc
from pathlib import Path

import click

from harness import cli
from tools import command_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "options.md"
_HEAD = """\
# Options

Every command with its options, written from `--help` by `python -m tools.reference_options`: do not
edit this page. `-h` or `--help` prints the same for one command.
"""


def page() -> str:
    """The whole page, as it should lie in docs/."""
    root = click.Context(cli.group, info_name="harness")
    sections = [_section(context) for context in _contexts(root) if context is not root]
    return "\n".join([_HEAD, *sections])


def _contexts(context: click.Context) -> Iterator[click.Context]:
    """`context`, then those of its subcommands, in the order that help lists them."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _contexts(click.Context(found, info_name=name, parent=context))


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"## {context.command_path}", f"```\n{usage}\n```", _prose(command.help or "")]
    if lines := examples(command):
        parts.append("\n".join(["```sh", *lines, "```"]))
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [
        f"| <code>{_cell(names)}</code> | {_cell(meaning)} |"
        for names, meaning in filter(None, records)
        if names.startswith("-")
    ]
    if rows:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def examples(command: click.Command) -> list[str]:
    """The command lines that its help ends with."""
    _, _, text = (command.epilog or "").partition(":\n")
    return [line.strip() for line in text.splitlines()]


def _prose(text: str) -> str:
    """A command's help as Markdown; what click must not wrap stays as it is laid out."""
    paragraphs = cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```"
        if paragraph.startswith("\b")
        else re.sub(r"(?<![\w`])(--?[a-z][\w-]*)(?![^`]*`)", r"`\1`", paragraph)
        for paragraph in paragraphs
    )


def _cell(text: str) -> str:
    # Forges and site builders disagree on how a bar is escaped between backticks.
    return " ".join(escape(text, quote=False).replace("|", "&#124;").split())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8", newline="\n")
    command_table.write()
