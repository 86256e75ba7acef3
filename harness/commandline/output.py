"""How every command answers: what it found on stdout as asked for, all else on stderr."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commandline import options, stream
from harness.commandline.places import NEW_FILE, require_new, write_text
from harness.errors import ExitCode, UsageError
from harness.report import json, plain
from harness.report.formats import FOR_PEOPLE, FORMATS
from harness.report.page import Note, Page, notes, with_pictures, without_explanations
from harness.report.picture import Picture

if TYPE_CHECKING:
    from harness.report.terminal import Stderr

_HTML = "--html"
_FORCE = "is_replacing"
ANSWERING = frozenset(("table_format", "as_json", "quiet", "html", _FORCE))
"""The parameters that say how to answer, which every question leaves open."""


@dataclass(frozen=True, slots=True)
class Output:
    """
    What --format, --json, --quiet, --explain and --html ask for.

    Data goes to stdout, everything about it (progress, warnings, how far to trust it) to stderr.
    """

    format: str = "plain"
    is_quiet: bool = False
    explains: bool = False
    html: Path | None = None

    @property
    def is_json(self) -> bool:
        """Whether the document is shown, which says it all."""
        return self.format == "json"

    @property
    def given(self) -> dict[str, object]:
        """The same as defaults of a command below this one."""
        return {"table_format": self.format, "quiet": self.is_quiet}

    @property
    def is_wide(self) -> bool:
        """Whether people read it where a line may be longer than 80 columns."""
        return self.format == "github"

    @property
    def console(self) -> Stderr:
        """Standard error for people; silent when quiet."""
        # Imported here, with rich: most answers have nothing to say beside stdout.
        from harness.report.terminal import Stderr

        return Stderr(is_quiet=self.is_quiet)

    def tell(self, sentence: str) -> None:
        """What happens, on a line of its own on stderr; nothing when quiet."""
        self.console.tell(sentence)

    def warn(self, sentence: str) -> None:
        """The same of something that the user should know."""
        self.console.warn(sentence)

    def show(
        self,
        page: Page,
        document: object,
        exit_code: int = ExitCode.DONE,
        *,
        aside: Page = (),
        hint: Page = (),
        title: str = "",
        pictures: Page = (),
        html_page: Page | None = None,
    ) -> int:
        """
        Prints what a command found, and hands back what it answers with.

        Args:
            page: For people, and for flat formats.
            document: The same for programs, a dataclass.
            exit_code: Of the command.
            aside: What else to know, on stderr unless quiet.
            hint: What to do next, and what the document says anyway; where that is not shown.
            title: Of the file that --html asks for, of commands that have this option.
            pictures: What that file shows above its first table.
            html_page: What stands in it in the place of `page` and `hint`, where it has more room.

        Raises:
            ResultsUnwritable: That file cannot be written; all else is shown.
        """
        short = page if self.explains else without_explanations(page)
        is_short = len(short) < len(page) and self.format in FOR_PEOPLE
        text = json.render(document) if self.is_json else self._written(short)
        if text:
            stream.write(text)
        more = notes(_UNEXPLAINED if is_short else "")
        said = (*aside, *(() if self.is_json else (*hint, *more)))
        if said and not self.is_quiet:
            # Both streams lead to one terminal, where the answer has an end.
            lines = plain.render(said, stream.width(err=True))
            stream.write(("\n" if text else "") + lines, err=True)
        if self.html:
            shown = with_pictures(html_page or (*page, *hint), pictures)
            found = without_explanations((*shown, *aside))
            explained = tuple(part for part in shown if part not in found)
            self._write_html(self.html, title, (*found, *explained))
        return exit_code

    def _write_html(self, path: Path, title: str, page: Page) -> None:
        # Imported here: few answers become a file.
        from harness.report import charts, html

        if any(isinstance(part, Picture) for part in page) and not charts.can_draw():
            page = (*page, *notes(f"{charts.MISSING}."))
        command = shlex.join(["harness", *sys.argv[1:]])
        section = html.Section("", page, (command,))
        write_text(path, _HTML, html.document(title, [section], charts.svg))
        if not self.is_quiet:
            told = Note((f"Page: {path}",), is_whole=True)
            stream.write(plain.render((told,)), err=True)

    def require_lines(self) -> None:
        """
        Nothing, if an answer that comes in parts can be printed as it comes.

        Raises:
            UsageError: It is to be a table, which is whole or nothing.
        """
        if self.format not in ("json", _USUAL):
            raise UsageError(
                f"--format {self.format} is of a whole table; parts are plain, or with --json"
            )

    def show_part(self, line: str, document: object) -> None:
        """Prints a part of such an answer at once, on a line of its own."""
        stream.write(json.render_line(document) if self.is_json else line)

    def _written(self, page: Page) -> str:
        if not page:
            return ""
        if self.format == "plain":
            return plain.render(page, stream.width())
        return FORMATS[self.format](page)


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--format, --json and --quiet, which reach `function` as one argument, `output`."""

    @functools.wraps(function)
    def with_output(
        *arguments: Any,
        table_format: str,
        as_json: bool,
        quiet: bool,
        explain: bool = False,
        **given: Any,
    ) -> Any:
        is_typed = "table_format" in options.typed(click.get_current_context())
        if as_json and is_typed and table_format not in ("json", _USUAL):
            raise UsageError(f"--json and --format {table_format} are two answers; ask for one")
        output = Output("json" if as_json else table_format, quiet, explain)
        if explain and output.format not in FOR_PEOPLE:
            raise UsageError("--explain is for people: leave it away, or ask for --format plain")
        return function(*arguments, output=output, **given)

    for option in reversed(_OPTIONS):
        with_output = option(with_output)
    return with_output


explain_option = click.option(
    "--explain", is_flag=True, help="Say what each figure is, and how it is computed or judged."
)
"""Below output_options: of commands that show figures; it reaches them in their `output`."""

_UNEXPLAINED = "What the figures are: --explain"
_USUAL = "plain"
_OPTIONS = (
    click.option(
        "--format",
        "table_format",
        type=click.Choice([*FORMATS, "json"]),
        default=_USUAL,
        show_default=True,
        help="How the answer is written.",
    ),
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no warnings."),
)


def html_options(
    function: Callable[..., Any], *, own_force: str | None = None
) -> Callable[..., Any]:
    """
    --html FILE and --force, which reach `function` in its `output`; FILE is refused before it.

    Args:
        function: The command's, below `output_options`.
        own_force: Its own parameter of --force, if it has one; that is for FILE too.
    """

    @functools.wraps(function)
    def with_html(*arguments: Any, html: Path | None, output: Output, **given: Any) -> Any:
        if own_force is None:
            is_replacing = given.pop(_FORCE)
        else:
            is_replacing = html is not None and given[own_force]
        require_new(html, _HTML, is_replacing=is_replacing)
        return function(*arguments, output=replace(output, html=html), **given)

    decorated: Callable[..., Any] = with_html
    if own_force is None:
        decorated = click.option("--force", _FORCE, is_flag=True, help="Overwrite FILE.")(decorated)
    return click.option(
        _HTML,
        "html",
        type=NEW_FILE,
        metavar="FILE",
        help="Also write the answer as a page for a browser, with pictures; it needs no network.",
    )(decorated)
