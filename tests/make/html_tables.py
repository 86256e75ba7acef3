"""What stands in the tables and paragraphs of an HTML page, as a reader would see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_ROWS = ("td", "th")
_TEXTS = ("p", "h1", "h2", "h3", "dd", "code", "caption", *_ROWS)


@dataclass
class ReadTable:
    """A table: the section that it stands in, its caption, and its rows with the header first."""

    section: str
    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """What stands below the first header of that name."""
        at = self.rows[0].index(name)
        return [row[at] for row in self.rows[1:]]


class ReadPage(HTMLParser):
    """A page of the harness, read."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[ReadTable] = []
        self.sections: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.tags: set[str] = set()
        self._open: list[str] = []
        self._group: tuple[int, str] = (0, "")
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "table":
            self.tables.append(ReadTable(self.sections[-1] if self.sections else ""))
        elif tag == "tr":
            n_more, name = self._group
            self.tables[-1].rows.append([name] if n_more else [])
            self._group = (max(0, n_more - 1), name)
        elif tag in _ROWS:
            self.tables[-1].rows[-1].append("")
            self._group = (
                (int(dict(attrs).get("rowspan") or 1) - 1, "") if tag == "th" else self._group
            )
        if tag in _TEXTS:
            self.texts.setdefault(tag, []).append("")
        if tag == "h2":
            self.sections.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            if tag in _TEXTS:
                self.texts[tag][-1] += data
            if tag == "h2":
                self.sections[-1] += data
            elif tag == "caption":
                self.tables[-1].caption += data
            elif tag in _ROWS:
                self.tables[-1].rows[-1][-1] += data
                if tag == "th" and self._group[0]:
                    self._group = (self._group[0], self.tables[-1].rows[-1][-1])

    def of(self, section: str) -> list[ReadTable]:
        """The tables of a section."""
        return [table for table in self.tables if table.section == section]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(line for lines in self.texts.values() for line in lines)
