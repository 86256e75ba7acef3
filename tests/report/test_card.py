"""The card: everything on it is shown and not obeyed, and has room."""

from __future__ import annotations

import re
from importlib.util import find_spec
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.card import (
    HEIGHT,
    WIDTH,
    Card,
    CardFigure,
    explained,
    png,
    shortened,
    svg,
    width_of,
    wrapped,
)
from harness.schema.figure import Figure, exact

NAMESPACE = "{http://www.w3.org/2000/svg}"
EVIL = "</text><script>alert(1)</script>\u202e<image href='file:///etc/passwd'/>\"&\x1b[31m"
TG = Figure(104.2, 98.8, 113.0, "tok/s", "interval", 12)
TTFT = Figure(951e6, 870e6, 1.04e9, "ns", "range", 3)


def card(**changes: object) -> Card:
    facts: dict[str, object] = {
        "model": "smollm2-135m:Q4_1",
        "about": "98.4 MB",
        "machine": "AMD EPYC, 2 cores, 23.4 GiB",
        "level": "usable",
        "verdict": "usable (measured)",
        "reason": "TTFT 4.43 s (1024 tokens at the rate of pp512)",
        "figures": (CardFigure("decode, tg128", TG), CardFigure("first token, chat", TTFT)),
        "instead": "Nothing was measured.",
        "notes": ("The machine was quiet.",),
        "origin": "llama.cpp 0c1e570 · harness 0.1.0 · 2026-11-28",
    }
    return Card(**(facts | changes))  # type: ignore[arg-type]


def texts(drawn: str) -> list[str]:
    root = ElementTree.fromstring(drawn)
    return [it.text or "" for it in root.iter(f"{NAMESPACE}text")]


def test_a_card_says_what_was_found() -> None:
    found = texts(svg(card()))
    assert "smollm2-135m:Q4_1" in found
    assert "usable (measured)" in found
    assert "104 tok/s" in found
    assert "98.8 – 113" in found
    assert "951 ms" in found
    assert "870 ms – 1.04 s *" in found
    assert "llama.cpp 0c1e570 · harness 0.1.0 · 2026-11-28" in found


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=400) | st.just(EVIL))
def test_hostile_text_is_text_and_stays_in_the_picture(text: str) -> None:
    drawn = svg(
        card(
            model=text, about=text, machine=text, verdict=text, reason=text, notes=(text, text),
            origin=text, figures=(CardFigure(text, TG),),
        )
    )  # fmt: skip
    root = ElementTree.fromstring(drawn)
    assert {it.tag.removeprefix(NAMESPACE) for it in root.iter()} <= {
        "svg",
        "title",
        "rect",
        "text",
    }
    assert "href" not in {name for it in root.iter() for name in it.keys()}  # noqa: SIM118
    for it in root.iter(f"{NAMESPACE}text"):
        room = WIDTH - float(it.get("x", "0"))
        size, weight = (int(it.get(name, "0")) for name in ("font-size", "font-weight"))
        assert width_of(it.text or "", size, weight) <= room
        assert 0 < float(it.get("y", "0")) < HEIGHT
        assert (it.text or "").isprintable()


@given(st.lists(st.text(max_size=300), max_size=5))
@settings(deadline=None)
def test_notes_have_three_lines_together(notes: list[str]) -> None:
    drawn = texts(svg(card(notes=tuple(notes))))
    assert len(drawn) <= len(texts(svg(card(notes=())))) + 3


def test_without_figures_it_says_why() -> None:
    found = " ".join(texts(svg(card(figures=(), instead="Nothing was measured: out of memory."))))
    assert "Nothing was measured: out of memory." in found


def test_a_disturbed_figure_says_so_instead_of_an_interval() -> None:
    found = texts(svg(card(figures=(CardFigure("decode, tg128", TG, is_disturbed=True),))))
    assert "disturbed" in found
    assert "98.8 – 113" not in found


def test_one_run_and_what_is_exact_have_no_interval() -> None:
    one = Figure(104.2, 104.2, 104.2, "tok/s", "range", 1)
    found = texts(svg(card(figures=(CardFigure("a", one), CardFigure("b", exact(5e9, "bytes"))))))
    assert "one Run, no interval" in found
    assert "exact" in found


def test_the_foot_says_what_the_bounds_are() -> None:
    assert explained((CardFigure("a", TG),)) == "95 % intervals, n = 12"
    assert explained((CardFigure("a", TTFT),)) == "* smallest and largest Run, n = 3"
    both = (CardFigure("a", TG), CardFigure("b", TTFT))
    assert explained(both) == "95 % intervals (* ranges), n = 3 to 12"
    assert explained(()) == ""


@given(st.text(max_size=200), st.integers(10, 90), st.integers(0, 1200))
def test_what_is_cut_has_room(text: str, size: int, room: int) -> None:
    cut = shortened(text, size, room)
    assert cut == text or cut == "…" or width_of(cut, size) <= room
    assert cut == text or cut.endswith("…")


@given(st.text(max_size=200))
def test_wrapped_lines_lose_no_word_that_has_room(text: str) -> None:
    lines = wrapped(text, 28, 1000)
    assert all(width_of(line, 28) <= 1000 for line in lines)


@pytest.mark.skipif(find_spec("vl_convert") is None, reason="needs vl-convert")
def test_the_picture_is_a_png_of_its_size() -> None:
    data = png(svg(card()))
    assert data is not None
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (WIDTH, HEIGHT)
    assert re.search(rb"IDAT", data)
