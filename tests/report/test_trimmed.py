"""What no page can carry."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from make.pages import make_page

from harness.report.html import render
from harness.report.page import Column, Judged, Note, Table
from harness.report.picture import Axis, Mark, Picture
from harness.report.trimmed import trimmed


def test_a_page_as_they_are_stays_as_it_is() -> None:
    assert trimmed(make_page()) == make_page()


@given(st.sampled_from("ab<&ü\u202e"), st.integers(1000, 100_000))
def test_no_text_makes_a_page_endless(letter: str, n: int) -> None:
    text = letter * n
    table = Table((Column(text),), ((text,), (Judged(text, "pass"),)), text, (text,))
    marks = (Mark(text, text, text, text),)
    picture = Picture(text, "p", "cells", marks, Axis(""), Axis(""))
    page = trimmed((Note((text,), title=text), *make_page(text), table, picture))
    assert len(render(page, "Report")) < 60_000
    (shown,) = (part for part in page if isinstance(part, Picture))
    assert sum(map(len, (shown.title, shown.marks[0].label, shown.marks[0].series))) < 2000


@given(st.floats())
def test_a_mark_without_a_place_is_left_out(value: float) -> None:
    marks = (Mark(value, 1.0, "x"), Mark(1.0, 1.0, "x", high=value), Mark(1.0, "row", "x"))
    picture = Picture("p", "p", "scatter", marks, Axis("x"), Axis("y"))
    (shown,) = trimmed((picture,))
    assert isinstance(shown, Picture)
    assert len(shown.marks) == (3 if math.isfinite(value) else 1)
