"""
A Page as one HTML file: nothing in it runs, and nothing is fetched.

No script, one style sheet, pictures drawn beforehand. The Content-Security-Policy allows that one
style sheet by its hash, so whatever a model's name smuggled in would neither run nor load.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from harness.report.cells import text_of
from harness.report.html_table import html_table, html_text
from harness.report.page import Facts, Note, Page, Part, Table
from harness.report.picture import Picture
from harness.report.style import style

# Units of a picture's own; letters of 12 are 9 px high at 390 px then.
_WIDEST = 560

Draw = Callable[[Picture], str | None]
"""A picture as an SVG element; None where nothing can draw."""


@dataclass(frozen=True, slots=True)
class Section:
    """
    A part of the document under a heading of its own.

    Attributes:
        commands: What to type for it.
    """

    title: str
    page: Page
    commands: tuple[str, ...] = ()


def undrawn(_picture: Picture) -> str | None:
    """Of a machine on which nothing can draw."""
    return None


def render(page: Page, title: str, draw: Draw = undrawn) -> str:
    """The page as a document of one section."""
    return document(title, (Section("", page),), draw)


def document(title: str, sections: Sequence[Section], draw: Draw = undrawn) -> str:
    """
    A whole document.

    Args:
        title: Its heading.
        sections: In order; those with a title are listed at the top.
        draw: Draws its pictures.
    """
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    writer = _Writer(draw)
    anchors = [writer.anchor(each.title) for each in sections]
    body = [f"<h1>{html_text(title)}</h1>", *_contents(sections, anchors)]
    for section, anchor in zip(sections, anchors, strict=True):
        body += writer.section(section, anchor)
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{html_text(title)}</title>\n<style>{style()}</style>\n</head>",
            '<body>\n<main id="top">',
            *body,
            "</main>\n</body>\n</html>\n",
        )
    )


def _contents(sections: Sequence[Section], anchors: Sequence[str]) -> list[str]:
    items = [
        f'<li><a href="#{anchor}">{html_text(each.title)}</a></li>'
        for each, anchor in zip(sections, anchors, strict=True)
        if each.title
    ]
    return ['<nav aria-label="Contents">\n<ul>', *items, "</ul>\n</nav>"] if items[1:] else []


def _is_wide(drawn: str) -> bool:
    """Whether a picture's words could not be read any more as narrow as a phone."""
    view = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ', drawn)
    return view is not None and float(view[1]) > _WIDEST


def _commands(commands: Sequence[str]) -> list[str]:
    if not commands:
        return []
    name = "Command" if len(commands) == 1 else "Commands"
    lines = "\n".join(map(html_text, commands))
    return [f'<div class="commands">\n<p>{name}</p>\n<pre><code>{lines}</code></pre>\n</div>']


@dataclass(slots=True)
class _Writer:
    """
    Writes the parts of one document, in which no two anchors and no two regions have one name.

    Attributes:
        level: Of the next headings of parts.
        names: Those given so far.
    """

    draw: Draw
    level: int = 2
    names: set[str] = field(default_factory=lambda: {"top"})

    def anchor(self, title: str) -> str:
        """Where a section is reached."""
        return self._new(re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section", "-")

    def section(self, section: Section, anchor: str) -> list[str]:
        """The section; without a title its parts stand directly below the document's."""
        self.level = 3 if section.title else 2
        self.names.add(section.title)
        body = [*self._parts(section.page), *_commands(section.commands)]
        if not section.title:
            return body
        heading = f'<h2 id="{anchor}">{html_text(section.title)}</h2>'
        return [f'<section aria-labelledby="{anchor}">', heading, *body, "</section>"]

    def _parts(self, page: Page) -> list[str]:
        lines: list[str] = []
        for are_pictures, parts in groupby(page, lambda part: isinstance(part, Picture)):
            written = [line for part in parts for line in self._part(part)]
            # Pictures that follow each other stand side by side where there is room.
            is_row = are_pictures and written
            lines += ['<div class="pictures">', *written, "</div>"] if is_row else written
        return lines

    def _part(self, part: Part) -> list[str]:
        match part:
            case Table():
                return self._table(part) if part.is_shown else []
            case Facts():
                return self._facts(part)
            case Note():
                return self._note(part)
            case Picture():
                return self._picture(part)

    def _table(self, table: Table) -> list[str]:
        if not table.rows:
            return self._heading(table.title)
        legend = [f'<p class="legend">{html_text(line)}</p>' for line in table.legend]
        return [*self._scrolled(table.title or "Figures", html_table(table)), *legend]

    def _facts(self, facts: Facts) -> list[str]:
        shown = [(name, text_of(cell)) for name, cell in facts.items if cell not in (None, "")]
        rows = [f"<dt>{html_text(name)}</dt><dd>{html_text(text)}</dd>" for name, text in shown]
        return [*self._heading(facts.title), *(["<dl>", *rows, "</dl>"] if rows else [])]

    def _note(self, note: Note) -> list[str]:
        if not note.lines:
            return self._heading(note.title)
        kind = {"text": "note", "finding": "note finding", "warning": "note warning"}[note.level]
        title = note.title
        if note.is_explanation:
            kind, title = "note explanation", title or "What the figures are"
        lines = [html_text(line) for line in note.lines]
        if note.level == "warning":
            # Its colour alone tells nothing to those who do not see it.
            lines[0] = f"<strong>Warning:</strong> {lines[0]}"
        body = [f"<p>{line}</p>" for line in lines]
        return [*self._heading(title), f'<div class="{kind}">', *body, "</div>"]

    def _picture(self, picture: Picture) -> list[str]:
        drawn = self.draw(picture) if picture.marks else None
        if drawn is None:
            return []
        caption = f"<figcaption>{html_text(picture.title)}</figcaption>"
        if not _is_wide(drawn):
            return ['<figure class="picture">', caption, drawn, "</figure>"]
        return [
            '<figure class="picture wide">',
            caption,
            *self._scrolled(picture.title, drawn),
            "</figure>",
        ]

    def _scrolled(self, label: str, element: str) -> list[str]:
        """What may be wider than the window, and then is reached by keyboard too."""
        name = html_text(self._new(label, " "))
        start = f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">'
        return [start, element, "</div>"]

    def _heading(self, title: str) -> list[str]:
        # A colon leads to the next line of a terminal; below a heading there is one anyway.
        text = html_text(title.removesuffix(":"))
        return [f"<h{self.level}>{text}</h{self.level}>"] if title else []

    def _new(self, wanted: str, joint: str) -> str:
        """The name, or with a number behind it where something has it."""
        name, n = wanted, 1
        while name in self.names:
            n += 1
            name = f"{wanted}{joint}{n}"
        self.names.add(name)
        return name
