"""
What a command shows, as values: tables, facts, notes and pictures, not a word on how they look.

A command makes one Page, and every renderer can write it: for a terminal, as Markdown, as lines of
raw numbers. So cells hold values and not text wherever there is one. This is not a layout language:
it has what at least three commands need, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.report.picture import Picture
from harness.schema.figure import Figure


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that is known, in a unit that `units.quantity` writes."""

    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Judged:
    """
    What was decided of a row, in a word.

    Attributes:
        status: What it is to a test: "error" where nothing could be decided and that counts,
            "skipped" where it does not.
        message: The decision in a sentence.
        kind: Which of several reasons it has.
    """

    word: str
    status: Literal["pass", "failure", "error", "skipped"]
    message: str = ""
    kind: str = ""


Cell = str | int | float | Quantity | Figure | Judged | Path | None
"""
A number with its unit, a Figure with its bounds, text, or nothing. Text is shown as it is, of
whatever origin: renderers take out what would steer a terminal. A Path is never broken or cut.
"""


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a table.

    Attributes:
        header: What stands above it where people read; None leaves it to programs alone.
        key: Its name in flat output; None leaves it to people alone. Of Figures it is what the
            names of their parts begin with: "" or something that ends in "_".
        align: "right" for numbers.
        unit: Of its numbers, and what its Figures are written in where that is not their own.
        interval: Above the bounds, which stand beside each Figure then; None shows its value alone.
        is_interval_optional: Whether the bounds are left out where a line has no room for them.
    """

    header: str | None
    key: str | None = None
    align: Literal["left", "right"] = "left"
    interval: str | None = None
    unit: str | None = None
    is_interval_optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """
    Rows of cells, one a column. Without any header it is for programs, without any key for people.

    Attributes:
        title: What its rows have in common.
        legend: What is to be known of single rows; stands directly below them.
        is_grouped: Whether rows that follow each other share the first column, so that it may
            stand above them once where a line has no room for it.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    legend: tuple[str, ...] = ()
    is_grouped: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether people see any of it."""
        return any(column.header is not None for column in self.columns)


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they stand for; names may repeat, and what is None or "" is left out."""

    items: tuple[tuple[str, Cell], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """
    Sentences, each of which begins a line.

    Attributes:
        level: "finding" and "warning" mark what a reader should not miss.
        is_whole: Lines are not broken, so that a path in them can be copied.
        is_explanation: It says what figures are, not what they came to: for whoever asks for it.
    """

    lines: tuple[str, ...]
    level: Literal["text", "finding", "warning"] = "text"
    title: str = ""
    is_whole: bool = False
    is_explanation: bool = False


Part = Table | Facts | Note | Picture
Page = tuple[Part, ...]


def notes(*paragraphs: str | Sequence[str], level: Literal["text", "finding"] = "text") -> Page:
    """A Note for each paragraph, which is one sentence or a list; empty ones are left out."""
    found = [(each,) if isinstance(each, str) else tuple(each) for each in paragraphs if each]
    return tuple(Note(lines, level) for lines in found)


def explanation(lines: Sequence[str]) -> Page:
    """What the figures of a page are, in sentences; nothing where there are none."""
    return (Note(tuple(lines), is_explanation=True),) if lines else ()


def without_explanations(page: Page) -> Page:
    """What was found alone."""
    return tuple(part for part in page if not isinstance(part, Note) or not part.is_explanation)


def shown_as_text(page: Page) -> list[Table | Facts | Note]:
    """Its parts without pictures, whose tables say the same, and without what is for programs."""
    parts = [part for part in page if not isinstance(part, Picture)]
    return [part for part in parts if not isinstance(part, Table) or part.is_shown]


def with_pictures(page: Page, pictures: Page) -> Page:
    """`page` with pictures above the first table that people see, behind what is said before it."""
    first = next(
        (at for at, part in enumerate(page) if isinstance(part, Table) and part.is_shown), len(page)
    )
    return (*page[:first], *pictures, *page[first:])
