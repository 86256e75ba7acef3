from __future__ import annotations

import csv
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from make.pages import FEW, RATE, make_page, make_table

from harness.report.flat import render
from harness.report.page import Column, Facts, Note, Quantity, Table


def records(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_every_part_of_a_figure_is_a_column_unrounded() -> None:
    rate, few, gone = records(render((make_table(("a", RATE), ("b", FEW), ("c", None)),), ","))
    assert rate == {
        "model": "m:a",
        "metric": "a",
        "value": "305.4",
        "low": "301.2",
        "high": "317.9",
        "n": "6",
        "unit": "tok/s",
        "kind": "interval",
    }
    assert (few["value"], few["kind"]) == ("520000000.0", "range")
    assert gone["value"] == ""


def test_tables_that_differ_share_one_header() -> None:
    other = Table((Column("A", "a_"), Column("path", "path")), ((RATE, Path("x")),))
    first, second = records(render((make_table(("a", RATE)), other), "\t"), "\t")
    assert (first["value"], first["a_value"]) == ("305.4", "")
    assert (second["value"], second["a_value"], second["path"]) == ("", "305.4", "x")


def test_the_header_does_not_depend_on_what_was_found() -> None:
    header = render((make_table(("a", RATE)),), ",").splitlines()[0]
    assert render((make_table(),), ",") == header
    assert render((make_table(("a", None)),), ",").splitlines()[0] == header


def test_what_is_for_people_alone_is_left_out() -> None:
    table = Table((Column("shown"), Column("n", "n")), (("x", Quantity(7, "bytes")),))
    assert render((Note(("Hello.",)), table), ",") == "n\n7"


def test_a_page_of_facts_is_a_line_for_each() -> None:
    facts = Facts((("CPU", "EPYC, 2 cores"), ("Memory", Quantity(1 << 30, "bytes"))), "here")
    assert render((facts,), ",") == (
        'of,fact,value\nhere,CPU,"EPYC, 2 cores"\nhere,Memory,1073741824'
    )


@given(st.text(max_size=60))
def test_no_text_forges_a_line(text: str) -> None:
    page = make_page(text)
    assert len(render(page, ",").splitlines()) == len(render(make_page("x"), ",").splitlines())
