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
from dataclasses import dataclass
from html import escape
from importlib import resources

from harness.report.cells import NOTHING, text_columns, text_of
from harness.report.page import Facts, Judged, Note, Page, Part, Table
from harness.report.picture import Picture
from harness.report.text import sanitize

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
    style = (resources.files("harness.data") / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    named = [each for each in sections if each.title]
    body = [f"<h1>{_text(title)}</h1>", *_contents(named)]
    for section in sections:
        body += _section(section, draw)
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{_text(title)}</title>\n<style>{style}</style>\n</head>",
            '<body>\n<main id="top">',
            *body,
            "</main>\n</body>\n</html>\n",
        )
    )


def _contents(sections: Sequence[Section]) -> list[str]:
    if len(sections) < 2:
        return []
    items = [f'<li><a href="#{_anchor(it.title)}">{_text(it.title)}</a></li>' for it in sections]
    return ['<nav aria-label="Contents">\n<ul>', *items, "</ul>\n</nav>"]


def _section(section: Section, draw: Draw) -> list[str]:
    parts = [line for part in section.page for line in _part(part, draw)]
    commands = [f"<pre><code>{escape(line)}</code></pre>" for line in section.commands]
    if not section.title:
        return parts + commands
    anchor = _anchor(section.title)
    head = f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{_text(section.title)}</h2>'
    return [head, *parts, *commands, "</section>"]


def _part(part: Part, draw: Draw) -> list[str]:
    match part:
        case Table():
            return _table(part) if part.is_shown else []
        case Facts():
            return _facts(part)
        case Note():
            return _note(part)
        case Picture():
            return _picture(part, draw)


def _note(note: Note) -> list[str]:
    lines = [_text(line) for line in note.lines]
    if not lines and not note.title:
        return []
    head = [f"<h3>{_text(note.title)}</h3>"] if note.title else []
    kind = {"text": "note", "finding": "note finding", "warning": "note warning"}[note.level]
    return [*head, f'<div class="{kind}">', *(f"<p>{line}</p>" for line in lines), "</div>"]


def _facts(facts: Facts) -> list[str]:
    shown = [(name, cell) for name, cell in facts.items if cell not in (None, "")]
    head = [f"<h3>{_text(facts.title)}</h3>"] if facts.title else []
    if not shown:
        return head
    rows = [f"<dt>{_text(name)}</dt><dd>{_text(text_of(cell))}</dd>" for name, cell in shown]
    return [*head, "<dl>", *rows, "</dl>"]


def _picture(picture: Picture, draw: Draw) -> list[str]:
    drawn = draw(picture) if picture.marks else None
    if drawn is None:
        return []
    title = _text(picture.title)
    return [f'<figure class="picture">\n{drawn}\n<figcaption>{title}</figcaption>\n</figure>']


# ------------------------------------------------------------------ tables


def _table(table: Table) -> list[str]:
    columns = text_columns(table) if table.rows else []
    if not columns:
        return [f"<h3>{_text(table.title)}</h3>"] if table.title else []
    judged = [next((it for it in row if isinstance(it, Judged)), None) for row in table.rows]
    head = "".join(
        f'<th scope="col"{_aligned(it.align)}>{_text(it.header)}</th>'
        if it.header
        else f"<td{_aligned(it.align)}></td>"
        for it in columns
    )
    body = []
    last = None
    for number, texts in enumerate(zip(*(it.texts for it in columns), strict=True)):
        verdict = judged[number]
        status = f' class="{verdict.status}"' if verdict else ""
        shown = list(texts)
        if table.is_grouped and texts[0] == last:
            shown[0] = ""
        last = texts[0]
        cells = [_cell(text, it.align) for text, it in zip(shown[1:], columns[1:], strict=True)]
        first = f'<th scope="row">{_text(texts[0])}</th>'
        if not shown[0]:
            first = f'<th scope="row" class="again">{_text(texts[0])}</th>'
        body.append(f"<tr{status}>{first}{''.join(cells)}</tr>")
    caption = f"<caption>{_text(table.title)}</caption>" if table.title else ""
    label = _text(table.title or "Figures")
    return [
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">',
        f"<table>{caption}<thead><tr>{head}</tr></thead>",
        f"<tbody>{chr(10).join(body)}</tbody></table>",
        "</div>",
        *(f'<p class="legend">{_text(line)}</p>' for line in table.legend),
    ]


def _cell(text: str, align: str) -> str:
    quiet = ' class="nothing"' if text == NOTHING else _aligned(align)
    return f"<td{quiet}>{_text(text)}</td>"


def _aligned(align: str) -> str:
    return ' class="number"' if align == "right" else ""


def _text(text: str) -> str:
    """Whatever it is, shown and not obeyed."""
    return escape(sanitize(text))


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
