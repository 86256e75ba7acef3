"""
The one way to stdout and stderr, where text that others wrote can do no harm.

Names of files, models, processes and records, texts of servers and of the engine: all of them reach
a terminal or the log of a CI runner here. So nothing else in the program may print (ruff refuses
it, `banned-api` in pyproject.toml); what rich draws goes through report/terminal.py, which does the
same for it.
"""

from __future__ import annotations

import codecs
import io
import itertools
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from harness.report.text import WIDTH, printable

_ERRORS = "harness.spelt"
# What our own pages hold beyond ASCII, for code pages that lack it (cp932, cp949, latin-1 ...).
_SPELT = {
    "±": "+-", "µ": "u", "×": "x", "·": "-", "–": "-", "—": "-", "…": "...", "→": "->", "←": "<-",
    "≤": "<=", "≥": ">=", "≈": "~", "↑": "^", "↓": "v", "ö": "o", "σ": "s",
    "¹": "1", "²": "2", "³": "3",
    **dict(zip("▁▂▃▄▅▆▇█", "_.,-~=*#", strict=True)),
    "─": "-", "━": "-", "│": "|", "├": "|", "└": "`", "╸": "-", "╺": "-", "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip

# Below, words are cut rather than lines; above, an eye no longer finds the next line.
_NARROWEST, _WIDEST = 60, 200

_NAMES = ("standard output", "standard error")
_has_answered = False
_expects_json = False


def prepare() -> None:
    """
    Lets stdout and stderr carry every text, whatever their code page: what it lacks is spelt.

    A UnicodeEncodeError would come with the table, after minutes of measuring.
    """
    global _has_answered, _expects_json
    _has_answered = _expects_json = False
    codecs.register_error(_ERRORS, _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def write(text: str, *, err: bool = False, end: str = "\n") -> None:
    """`text`, of any number of lines, to stdout or stderr, without what is not printed."""
    global _has_answered
    _has_answered = _has_answered or not err
    try:
        click.echo(printable(text) + end, nl=False, err=err)
    except OSError as error:
        error.filename = _NAMES[err]
        raise


def width(*, err: bool = False) -> int:
    """
    The columns that stdout or stderr has for a line: its terminal's, or what COLUMNS says of it.

    Where it leads to a file or to another program, always the same, so that neither differs by the
    window that it was made in.
    """
    each = sys.stderr if err else sys.stdout
    try:
        if each is None or not each.isatty():
            return WIDTH
        said = os.environ.get("COLUMNS", "")
        columns = int(said) if said.isdecimal() else os.get_terminal_size(each.fileno()).columns
    except (OSError, ValueError):
        return WIDTH
    return max(_NARROWEST, min(columns, _WIDEST)) if columns else WIDTH


def write_error(message: str) -> None:
    """One line on stderr behind a red "Error:"."""
    # click asks whether this is a terminal, but not, in all its versions, for what it may be.
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    color = False if is_plain else None
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True, color=color)
    write(" ".join(message.splitlines()), err=True)


def write_command(line: str) -> None:
    """A workflow command for a CI runner, on stderr; whoever makes it has escaped what it holds."""
    click.echo(line, err=True)


def confirm(question: str) -> bool:
    """Whether a person says yes; `question` is not of others' making."""
    return click.confirm(printable(question), err=True)


def has_answered() -> bool:
    """Whether anything went to stdout, where a program expects one document."""
    return _has_answered


def expect_json() -> None:
    """From now on one document is asked for, whatever the command line says."""
    global _expects_json
    _expects_json = True


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for one document, were everything else of it wrong."""
    words = [*itertools.takewhile(lambda word: word != "--", arguments)]
    return (
        _expects_json
        or "--json" in words
        or "--format=json" in words
        or ("--format", "json") in itertools.pairwise(words)
    )


def has_person() -> bool:
    """Whether somebody can answer a question."""
    return sys.stdin is not None and sys.stdin.isatty()


def give_up() -> str | None:
    """
    The standard stream that cannot be written, if it is one; nothing more is written to it.

    Python would try the rest at the end, and answer with an exit code of its own.
    """
    found = None
    for name, each in zip(_NAMES, (sys.stdout, sys.stderr), strict=True):
        try:
            each.flush()
        except OSError:
            found = found or name
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, each.fileno())
                os.close(nowhere)
    return found


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SPELT.get(char, "?") for char in missing), error.end
