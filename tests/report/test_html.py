"""A page as HTML: everything is shown, and nothing in it is obeyed."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from harness.report.html import Section, document, render
from harness.report.page import Column, Facts, Judged, Note, Page, Table
from harness.report.picture import Axis, Mark, Picture
from harness.schema.figure import Figure

EVIL = "</style></svg><script>alert(1)</script>\u202e<img src=x onerror=y>\"'&amp;\x1b[31m"
VOID = {"meta", "link", "br", "img"}
PICTURE = Picture(
    title=f"Decoding {EVIL}",
    name="decode",
    drawing="scatter",
    marks=(Mark(1.0, 2.0, EVIL),),
    x=Axis("x"),
    y=Axis("y"),
)


class Reader(HTMLParser):
    """What a browser would make of it: elements, and the text of the body."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def a_page(text: str) -> Page:
    table = Table(
        (Column(text), Column("tok/s", "", "right", interval="95 %"), Column("verdict")),
        ((text, Figure(310.0, 300.0, 320.0, "tok/s", "interval", 6), Judged(text, "pass")),),
        title=text,
        legend=(text,),
    )
    return (Note((text,), "warning", text), Facts(((text, text),), text), table, PICTURE)


@given(st.text(max_size=40) | st.just(EVIL))
def test_text_of_unknown_origin_is_shown_and_never_obeyed(text: str) -> None:
    reader = read(render(a_page(text), text))
    assert not {"script", "img", "iframe", "object", "link"} & set(reader.tags)
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    assert "\x1b" not in reader.text
    assert "\u202e" not in reader.text


def test_every_value_stands_in_its_table() -> None:
    text = read(render(a_page("m:Q4_0"), "Report")).text
    assert "310 300 – 320 m:Q4_0" in text


def test_the_policy_allows_its_own_style_and_nothing_else() -> None:
    html = render(a_page("m"), "Report")
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy
    assert not re.search(r"(?:src|href)=\"(?!#)", html)
    assert not any(name == "style" for _, name, _ in read(html).attributes)


def test_without_anything_to_draw_with_the_tables_are_there() -> None:
    assert "figure" not in read(render(a_page("m"), "Report")).tags
    drawn = read(render(a_page("m"), "Report", lambda _: "<svg></svg>"))
    assert drawn.tags.count("svg") == 1
    assert "Decoding" in drawn.text


def test_sections_are_listed_and_reached() -> None:
    sections = (
        Section("Speed & memory", a_page("m"), ("harness run m",)),
        Section("Verdict", a_page("n")),
    )
    html = document("Report", sections)
    reader = read(html)
    targets = {value for _, name, value in reader.attributes if name == "id"}
    links = {value for _, name, value in reader.attributes if name == "href"}
    assert {f"#{each}" for each in targets if each != "top"} == links
    assert "harness run m" in reader.text


def test_what_figures_are_stands_under_a_heading_of_its_own() -> None:
    text = read(render((Note(("tok/s: so.",), is_explanation=True),), "Report")).text
    assert "What the figures are tok/s: so." in text


def test_no_two_regions_or_anchors_have_one_name() -> None:
    sections = (Section("Same", a_page("Same")), Section("Sa me!", (*a_page("n"), *a_page("n"))))
    reader = read(document("Report", (*sections, Section("", a_page("Same")))))
    for kind in ("id", "aria-label"):
        found = [value for _, name, value in reader.attributes if name == kind]
        assert len(found) == len(set(found))


def test_rows_of_a_group_share_one_cell_that_names_them() -> None:
    rows = (("a", 1), ("a", 2), ("b", 3))
    table = Table((Column("model"), Column("n")), rows, is_grouped=True)
    reader = read(render((table,), "Report"))
    assert reader.text.split("model n ")[1] == "a 1 2 b 3"
    spans = [value for tag, name, value in reader.attributes if (tag, name) == ("th", "rowspan")]
    assert spans == ["2"]


def test_a_picture_too_wide_for_a_phone_can_be_scrolled_by_keyboard() -> None:
    for width, is_wide in ((500, False), (1100, True)):
        drawn = {PICTURE: f'<svg viewBox="0 0 {width} 300"/>'}
        assert ('role="region"' in render((PICTURE,), "Report", drawn.get)) is is_wide
