"""Text of unknown origin made fit for a terminal, and lines made fit for its width."""

from __future__ import annotations

import re
import textwrap

WIDTH = 80

# GitHub's runner takes "::" at the start of a line, spaces aside, and "##[" anywhere in it for a
# command (actions/runner, ActionCommand.cs); of each the last character is kept.
_COMMANDS = re.compile(r"^(\s*)::+|##+(?=\[)")


def sanitize(text: str) -> str:
    """
    `text` with everything that is not printed replaced by "?".

    Model names come from files and hubs: an escape sequence in one could recolour, retitle or
    overwrite what a terminal shows; a line break or a reversal of direction could forge a row.
    """
    return "".join(char if char.isprintable() else "?" for char in text)


def printable(text: str) -> str:
    """`text` of any number of lines, tabs kept, each line sanitized and inert."""
    lines = ("\t".join(map(sanitize, line.split("\t"))) for line in text.split("\n"))
    return "\n".join(map(inert, lines))


def inert(line: str) -> str:
    """`line` without what the log of a CI runner would take for a command of its own."""
    return _COMMANDS.sub(lambda found: "#" if found[1] is None else f"{found[1]}:", line)


def wrapped(text: str, *, lead: str = "", width: int = WIDTH) -> list[str]:
    """`text` in lines of at most `width`, the first behind `lead`, the others below its end."""
    indent = " " * len(lead) if len(lead) < width // 2 else "    "
    # Most hyphens stand in names of models, which want to be copied in one piece.
    return textwrap.wrap(
        text, width, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False
    )
