"""The document of `harness report`: made, its pictures written, and brought before somebody."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path

from harness.commands.report.report import ReportResult
from harness.commands.report.sections import sections
from harness.report.charts import svg as drawn
from harness.report.html import Section, document
from harness.report.picture_files import write_pictures

_TITLE = "What was measured"


@dataclass(frozen=True, slots=True)
class Made:
    """The page, before it is written."""

    sections: tuple[Section, ...]
    text: str

    @property
    def titles(self) -> tuple[str, ...]:
        """Of its sections, in order."""
        return tuple(section.title for section in self.sections if section.title)


@dataclass(frozen=True, slots=True)
class Written:
    """The files, and what is in the page."""

    path: Path
    n_bytes: int
    sections: tuple[str, ...]
    pictures: tuple[Path, ...] = ()


def document_of(result: ReportResult) -> Made:
    """The whole page, with its pictures where something can draw them."""
    found = sections(result)
    return Made(found, document(_TITLE, found, drawn))


def written_pictures(
    made: Made, *, svg: Path | None, png: Path | None, may_replace: bool
) -> tuple[Path, ...]:
    """
    Where the page's pictures lie now, of the folders that are asked for.

    Raises:
        HarnessError: Nothing can draw here.
        UsageError: A file is there already, and may not be replaced.
        ResultsUnwritable: A folder cannot be made or written to.
    """
    pages = [section.page for section in made.sections]
    found: list[Path] = []
    if svg is not None:
        found += write_pictures(pages, svg, "svg", may_replace=may_replace)
    if png is not None:
        found += write_pictures(pages, png, "png", may_replace=may_replace)
    return tuple(found)


def opened(path: Path) -> bool:
    """Whether a browser was started to show `path`."""
    try:
        return webbrowser.open(path.absolute().as_uri())
    except webbrowser.Error:
        return False
