from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from make.pages import HOSTILE, RATE, SIZE, make_page, make_table

from harness.report.github import render
from harness.report.page import Facts, Note


def test_a_page_reads_like_this() -> None:
    page = (
        Facts((("Model", "m:Q4_K_M"),)),
        make_table(("tok/s", RATE), ("size", SIZE), title="Case", legend=("Why.",)),
        Note(("One sentence.",)),
        Note(("This.", "That.")),
    )
    assert render(page) == (
        "- Model: m:Q4_K_M\n"
        "\n"
        "**Case**\n"
        "\n"
        "| metric |    value | 95 % interval |\n"
        "| ------ | -------: | ------------- |\n"
        "| tok/s  |      305 | 301 – 318     |\n"
        "| size   | 93.8 MiB | exact         |\n"
        "\n"
        "- Why.\n"
        "\n"
        "One sentence.\n"
        "\n"
        "- This.\n"
        "- That."
    )


@given(st.text(max_size=60))
def test_no_text_breaks_a_table(text: str) -> None:
    rows = [line for line in render(make_page(text)).splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, 4}


def test_hostile_text_is_shown_and_does_nothing() -> None:
    shown = render(make_page(HOSTILE))
    assert not re.search(r"(?<!\\)[<`\[*]", shown.replace("**", ""))
    assert "::" not in shown
    assert "##[" not in shown
    assert "\x1b" not in shown
    assert r"\@all \#1" in shown
