"""Pictures drawn: every mark is there with its words, and nothing else comes in with them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.pictures import ALL, board, decode, depth, frontier, latency, memory

from harness.report import charts
from harness.report.charts import png, svg, svg_file
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.style import palette

if not charts.can_draw():
    pytest.skip(charts.MISSING, allow_module_level=True)

EVIL = "</svg></title><script>alert(1)</script>\u202e<img src=x onerror=y>\"'&amp;\x1b[31m"
NUMBERS = st.floats(width=64) | st.sampled_from(
    [0.0, -1.0, 1e308, 1e60, -1e60, 1e-60, 5e-324, 1.0, 2.0]
)
TEXTS = st.text(max_size=20) | st.sampled_from([EVIL, "a" * 300, "שלום", "模型" * 80, ""])
# What an image is made of, and no more.
INLINE = ["svg", "g", "path", "rect", "line", "text", "tspan", "title", "circle"]


drawn = cache(svg)


def read(text: str | None) -> ElementTree.Element:
    assert text is not None
    return ElementTree.fromstring(text)


def tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def named(root: ElementTree.Element) -> list[str]:
    """The words of each mark, which its title says as well."""
    found = [it for it in root.iter() if it is not root and "aria-label" in it.attrib]
    for it in found:
        assert tag(it[0]) == "title"
        assert (it[0].text or "") == it.attrib["aria-label"]
    return [it.attrib["aria-label"] for it in found]


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(it.itertext()) for it in root.iter() if tag(it) == "text"]


@pytest.mark.parametrize("picture", ALL, ids=lambda it: it.name)
def test_every_mark_is_one_element_with_its_words(picture: Picture) -> None:
    words = named(read(drawn(picture)))
    if picture.drawing == "histogram":
        counts = [re.search(r": (\d+) of 300 in ", it) for it in words]
        assert sum(int(it[1]) for it in counts if it) == len(picture.marks)
    else:
        assert sorted(words) == sorted(it.label for it in picture.marks)


@pytest.mark.parametrize("picture", ALL, ids=lambda it: it.name)
def test_a_picture_of_a_page_takes_its_colours_and_brings_nothing_along(picture: Picture) -> None:
    text = drawn(picture)
    root = read(text)
    assert root.attrib["role"] == "graphics-document"
    assert root.attrib["aria-label"] == picture.title
    read_aloud = [it for it in root.iter() if it.attrib.get("role") == "graphics-symbol"]
    assert [it.attrib["aria-label"] for it in read_aloud] == named(root)
    hidden = [it for it in root.iter() if it.attrib.get("aria-hidden") == "true"]
    words = [it for it in root.iter() if tag(it) == "text" or any(tag(of) == "title" for of in it)]
    assert {id(it) for it in words} == {id(it) for it in (*hidden, *read_aloud)}
    assert "viewBox" in root.attrib
    known = {"none"} | {f"var(--{name})" for name in palette(is_dark=False)}
    for node in root.iter():
        assert tag(node) in INLINE
        assert not {"id", "style", "class", "clip-path", "href", "filter"} & set(node.attrib)
        inks = {node.attrib[it] for it in ("fill", "stroke") if it in node.attrib}
        assert inks <= known
    assert "url(" not in str(text)
    assert "http" not in str(text).replace("http://www.w3.org/2000/svg", "")


def test_the_page_has_every_colour_in_light_and_in_dark() -> None:
    assert palette(is_dark=False).keys() == palette(is_dark=True).keys()
    assert len(set(palette(is_dark=False).values())) == len(palette(is_dark=False))


def test_the_same_picture_is_drawn_the_same_twice() -> None:
    assert svg(decode()) == drawn(decode())
    assert png(frontier()) == png(frontier())


def test_a_file_has_its_title_and_colours_of_its_own() -> None:
    light, dark = (svg_file(frontier(), is_dark=it) for it in (False, True))
    # A long one takes two lines.
    title = frontier().title.replace(" ", "")
    assert title in "".join(texts(read(light))).replace(" ", "")
    assert "var(" not in str(light) + str(dark)
    assert palette(is_dark=True)["ground"] in str(dark)
    assert palette(is_dark=False)["ground"] not in str(dark)


def test_a_png_is_as_wide_as_asked() -> None:
    data = png(frontier(), width_px=600)
    assert data is not None
    assert data.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(data[16:20], "big") == 600


def test_kinds_differ_by_shape_and_the_legend_names_them() -> None:
    root = read(drawn(decode()))
    shapes = {
        re.sub(r"[^A-Za-z]", "", it.attrib["d"]) + it.attrib["fill"]
        for it in root.iter()
        if "aria-label" in it.attrib and "d" in it.attrib
    }
    assert len(shapes) == 5
    said = texts(root)
    for kind in ("measured", "rehearsed", "predicted", "single run", "disturbed, not counted"):
        assert kind in said


def test_a_legend_names_kinds_also_where_colours_are_those_of_series() -> None:
    said = texts(read(drawn(depth())))
    assert {"measured", "predicted", "smollm2-135m:Q4_1"} <= set(said)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((0.1, 20.0), ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]),
        ((0.8, 1.2), ["0.8", "1", "1.2"]),
        ((512.0, 4096.0), ["512", "4,096"]),
        ((1e-6, 1e6), ["0.00001", "0.001", "0.1", "10", "1,000", "100,000"]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_round(values: tuple[float, ...], ticks: list[str]) -> None:
    marks = tuple(Mark(it, "row", "") for it in values)
    picture = Picture("t", "n", "intervals", marks, Axis("x", is_log=True), Axis(""))
    assert texts(read(svg(picture)))[: len(ticks)] == ticks


def test_values_that_hardly_differ_are_drawn_close_together() -> None:
    marks = (Mark(1.0, "a", "a"), Mark(1.0001, "b", "b"))
    picture = Picture("t", "n", "intervals", marks, Axis("x"), Axis(""))
    root = read(svg(picture))
    found = [
        it.attrib["transform"] for it in root.iter() if it.attrib.get("aria-label") in ("a", "b")
    ]
    first, second = (float(re.split(r"[(,]", it)[1]) for it in found)
    assert 0 < second - first < 10


def test_a_limit_far_beyond_all_values_is_named_at_the_edge() -> None:
    marks = (Mark(1.0, "a", "a"),)
    near = Picture("t", "n", "stack", marks, Axis("GiB"), Axis(""), (Rule(2.0, "limit"),))
    far = replace(near, rules=(Rule(2000.0, "limit"),))
    assert "limit" in texts(read(svg(near)))
    assert "limit →" in texts(read(svg(far)))


def test_values_without_a_place_are_left_out_and_the_others_drawn() -> None:
    marks = (Mark(float("nan"), 1.0, "nan"), Mark(0.0, 1.0, "zero"), Mark(2.0, 1.0, "two"))
    picture = Picture("t", "n", "scatter", marks, Axis("x", is_log=True), Axis("y"))
    assert named(read(svg(picture))) == ["two"]
    assert svg(replace(picture, marks=marks[:2])) is None
    assert svg(replace(picture, marks=())) is None


def test_a_title_is_no_expression() -> None:
    axis = Axis("if")
    picture = replace(frontier(), title="if", x=axis, y=axis, series_title="if", shade_title="if")
    assert "if" in [it.strip() for it in texts(read(svg_file(picture)))]


def test_bars_beyond_all_numbers_are_no_picture() -> None:
    rules = (Rule(0.0, "level", "y"),)
    picture = Picture("t", "n", "histogram", (Mark(1e60, "a", "a"),), Axis("x"), Axis("y"), rules)
    assert svg(picture) is None


def test_a_long_name_is_cut_where_it_is_shown_and_whole_on_hover() -> None:
    name = "first-" + "x" * 300 + "-last"
    picture = Picture("t", "n", "intervals", (Mark(1.0, name, name),), Axis("x"), Axis("y"))
    root = read(svg(picture))
    assert named(root) == [name]
    (shown,) = [it for it in texts(root) if it.startswith("first-")]
    assert len(shown) < 100
    assert shown.endswith("-last")


@pytest.mark.parametrize("picture", [decode(), depth(), memory(), board()], ids=lambda it: it.name)
def test_a_control_character_in_any_name_is_drawn_as_a_mark(picture: Picture) -> None:
    # vl-convert ends the whole process over one.
    marks = tuple(replace(it, series="\x15" + it.series, name="\x15") for it in picture.marks)
    assert "\x15" not in str(svg(replace(picture, marks=marks, series_title="\x15")))


def test_bars_made_already_are_drawn_as_they_are() -> None:
    bars = tuple(Mark(at + 0.5, at, f"{at}", "s", at, at + 1) for at in range(1, 5))
    assert named(read(svg(replace(latency(), marks=bars)))) == ["1", "2", "3", "4"]


def marks(
    axis_x: st.SearchStrategy[float | str], axis_y: st.SearchStrategy[float | str]
) -> st.SearchStrategy[tuple[Mark, ...]]:
    return st.lists(
        st.builds(
            Mark,
            x=axis_x,
            y=axis_y,
            label=TEXTS,
            series=TEXTS,
            low=st.none() | NUMBERS,
            high=st.none() | NUMBERS,
            evidence=st.sampled_from(["measured", "rehearsed", "predicted"]),
            shade=st.none() | NUMBERS,
            is_single=st.booleans(),
            is_disturbed=st.booleans(),
            is_faint=st.booleans(),
            name=TEXTS,
        ),
        max_size=5,
    ).map(tuple)


AXES = st.builds(
    Axis, title=TEXTS, is_log=st.booleans(), includes_zero=st.booleans(),
    order=st.lists(TEXTS, max_size=2).map(tuple),
)  # fmt: skip
PICTURES = st.builds(
    Picture,
    title=TEXTS,
    name=TEXTS,
    drawing=st.sampled_from(["intervals", "lines", "stack", "scatter", "histogram", "cells"]),
    marks=marks(NUMBERS | TEXTS, NUMBERS | TEXTS),
    x=AXES,
    y=AXES,
    rules=st.lists(
        st.builds(Rule, NUMBERS, TEXTS, st.sampled_from(["x", "y", "ratio", "product"])),
        max_size=3,
    ).map(tuple),
    series_title=TEXTS,
    shade_title=TEXTS,
)


def hold(picture: Picture) -> None:
    text = svg(picture)
    if text is None:
        return
    assert "\x1b" not in text
    assert "\u202e" not in text
    for node in read(text).iter():
        assert tag(node) in INLINE
        assert not any(name.startswith("on") or name == "style" for name in node.attrib)
        assert not any("NaN" in value for name, value in node.attrib.items() if "label" not in name)


@settings(max_examples=12)
@given(PICTURES)
def test_whatever_it_is_given_an_image_or_nothing_comes_out(picture: Picture) -> None:
    hold(picture)


@pytest.mark.slow
@settings(max_examples=100)
@given(PICTURES)
def test_whatever_it_is_given_an_image_or_nothing_comes_out_at_length(picture: Picture) -> None:
    hold(picture)


def test_without_what_draws_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "find_spec", lambda name: None if name == "altair" else object())
    assert not charts.can_draw()
    assert svg(decode()) is None
    assert svg_file(decode()) is None
    assert png(decode()) is None


def test_what_draws_is_loaded_when_a_picture_is_asked_for() -> None:
    program = (
        "import sys, harness.report.charts; print({'altair', 'vl_convert'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_a_legend_leaves_out_what_all_lines_begin_with() -> None:
    names = ("m:Q4_0 · turns8 · kept", "m:Q4_0 · turns8 · changed", "m:Q4_0 · turns8")
    marks = tuple(Mark(x, 1.0, "said", series=name) for name in names for x in (1, 2))
    text = str(svg(Picture("t", "p", "lines", marks, Axis("x"), Axis("y"))))
    assert "turns8 · kept" in text
    assert "m:Q4_0" not in text
