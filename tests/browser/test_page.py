"""A page as a browser shows it: whole, still, and readable everywhere and by everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from make.pictures import ALL

from browser.conftest import Look
from browser.pages import HOSTILE, examples, hostile, measured, pictured
from browser.window import PHONE, WIDE, Scheme, obstacles
from harness.analysis.metrics import METRICS
from harness.report.cells import text_of
from harness.report.text import sanitize

Made = Callable[[], str]
PAGES: dict[str, Made] = {
    "measured": lambda: measured(examples()[0]),
    "hostile": hostile,
    "pictured": pictured,
}
each_page = pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)

# A browser takes a second to start, and half of one for each page.
pytestmark = pytest.mark.slow


@each_page
def test_nothing_is_said_and_nothing_is_asked_for(look: Look, made: Made) -> None:
    window = look(made())
    assert window.messages == []
    assert window.requests == [window.page.url]


@each_page
def test_on_a_phone_tables_scroll_and_the_page_does_not(look: Look, made: Made) -> None:
    page = look(made(), PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert page.locator("table, svg").count() > 0


def test_names_that_would_do_harm_are_shown(look: Look) -> None:
    page = look(hostile()).page
    assert page.title() == HOSTILE[0]
    assert page.locator("script, img, h1:has-text('forged')").count() == 0
    text = page.locator("body").inner_text()
    assert [name for name in HOSTILE if sanitize(name) not in text] == []
    assert not set(text) & {"\u202e", "\u2066", "\x1b"}


def test_every_figure_of_the_record_stands_in_its_row(look: Look) -> None:
    result = examples()[0]
    page = look(measured(result)).page
    lines = page.locator("table").first.inner_text().splitlines()
    shown = {tuple(cell.strip() for cell in line.split("\t"))[:3] for line in lines}
    expected = {
        (case.workload, METRICS[name].label, text_of(figure))
        for case in result.groups[0].cases
        for name, figure in case.metrics.items()
    }
    assert expected
    assert expected <= shown


def test_every_picture_has_its_marks_with_their_words_and_its_place_on_the_page(look: Look) -> None:
    page = look(pictured()).page
    assert page.locator("figcaption").all_inner_texts() == [it.title for it in ALL]
    for picture, drawn in zip(ALL, page.locator("figure").all(), strict=True):
        assert drawn.locator("svg").get_attribute("aria-label") == picture.title
        box = drawn.locator("svg").bounding_box()
        assert box
        assert box["width"] > 300
        assert box["height"] > 60
        said = drawn.locator("svg [aria-label]").evaluate_all(
            "marks => marks.map(it => it.getAttribute('aria-label'))"
        )
        # Of a histogram each bar is one element.
        if picture.drawing != "histogram":
            assert sorted(said) == sorted(it.label for it in picture.marks)
        assert said


def test_whoever_listens_hears_each_mark_and_no_ticks(look: Look) -> None:
    page = look(pictured()).page
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    heard: dict[str, list[str]] = {}
    for node in nodes:
        if not node["ignored"]:
            role, name = node["role"]["value"].lower(), node.get("name", {}).get("value", "")
            heard.setdefault(role, []).append(name)
    assert heard["graphics-document"] == [it.title for it in ALL]
    bars = [it for it in ALL if it.drawing == "histogram"]
    labels = [mark.label for it in ALL if it not in bars for mark in it.marks]
    symbols = heard["graphics-symbol"]
    assert not [it for it in labels if it not in symbols]
    assert len(symbols) == page.locator("svg [role=graphics-symbol]").count()
    assert "0" not in [it for names in heard.values() for it in names]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_ground_is_as_the_reader_has_it_and_paper_is_white(look: Look, scheme: Scheme) -> None:
    page = look(hostile(), scheme=scheme).page
    colours = (
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    white, black = "rgb(255, 255, 255)", "rgb(28, 32, 36)"
    assert (page.evaluate(colours) == [white, black]) is (scheme == "light")
    page.emulate_media(media="print")
    assert page.evaluate(colours) == [white, black]


@each_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_axe_finds_no_obstacle(look: Look, made: Made, width: int, scheme: Scheme) -> None:
    assert obstacles(look(made(), width, scheme, obeys=False).page) == []


def test_axe_would_find_letters_that_are_too_faint(look: Look) -> None:
    faint = measured(examples()[0]).replace("--quiet: #57606a", "--quiet: #c0c4c8")
    assert any(it.startswith("color-contrast") for it in obstacles(look(faint, obeys=False).page))
