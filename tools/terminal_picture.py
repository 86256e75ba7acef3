"""
Draws a real output that a page quotes as a picture: `python -m tools.terminal_picture`.

The page is the source and the picture follows it; tests/test_docs.py holds both against each other.
rich's own frame asks a server for its font. This one takes the reader's, and is dark on its own
paper, so that it reads the same on a light page and on a dark one.
"""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "guide" / "fit.md"
PICTURE = ROOT / "docs" / "pictures" / "fit.svg"
NAME = "fit"
COMMAND = "harness fit gpt-oss-20b"

_WIDTH = 82
_PAPER, _INK = (13, 17, 23), (230, 237, 243)
_THEME = TerminalTheme(_PAPER, _INK, [_INK] * 8)
_FAINT, _FIGURE, _GOOD, _PROMPT = "#9198a1", "#79c0ff", "#56d364", "bold #d2a8ff"
# A row of the table of speeds: what, the figure, its interval.
_SPEED = re.compile(r"^(\S.*?  +)(\S+ \S+)(  .*)$")
_FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def quoted(page: Path, name: str) -> str:
    """The real output `name` as `page` quotes it."""
    marked = re.search(rf"<!-- real output: {name} -->\n```\n(.*?)\n```", page.read_text(), re.S)
    if marked is None:
        raise ValueError(f"{page} quotes no real output called {name}")
    return marked[1]


def drawn(command: str, output: str) -> str:
    """A terminal in which `command` has printed `output`, as SVG."""
    console = Console(record=True, width=_WIDTH, file=StringIO())
    console.print(Text.assemble(("$ ", _FAINT), (command, _PROMPT)))
    for line in output.splitlines():
        console.print(_styled(line))
    svg = console.export_svg(title="", theme=_THEME, code_format=_FRAME, unique_id="terminal")
    return "".join(f"{line.strip()}\n" for line in svg.splitlines() if line.strip())


def _styled(line: str) -> Text:
    if line.endswith("  yes"):
        return Text.assemble(line.removesuffix("yes"), ("yes", _GOOD))
    speed = _SPEED.match(line)
    if speed is not None and speed[2][0].isdigit():
        return Text.assemble(speed[1], (speed[2], _FIGURE), (speed[3], _FAINT))
    return Text(line, _FAINT if set(line) <= {"-", " "} else "")


if __name__ == "__main__":
    PICTURE.write_text(drawn(COMMAND, quoted(PAGE, NAME)), "utf-8", newline="\n")
