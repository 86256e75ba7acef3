from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.pages import FEW, HOSTILE, RATE, SIZE, make_page, make_table

from harness.report.page import Column, Facts, Note, Table
from harness.report.plain import render
from harness.report.text import WIDTH
from harness.schema.figure import Figure


def test_a_page_reads_like_this() -> None:
    page = (
        Facts((("Model", "m:a"), ("Runs", 6), ("Nothing", None))),
        make_table(("tok/s", RATE), ("load", FEW), ("size", SIZE), ("gone", None), title="Case"),
        Note(("One sentence.", "Another one."), title="What to know:"),
        Note(("This.", "That."), "finding"),
        Note(("Look out.",), "warning"),
    )
    assert render(page) == (
        "Model  m:a\n"
        "Runs   6\n"
        "\n"
        "Case\n"
        "\n"
        "metric     value  95 % interval\n"
        "------  --------  -----------------\n"
        "tok/s        305  301 – 318\n"
        "load      520 ms  510 ms – 530 ms *\n"
        "size    93.8 MiB  exact\n"
        "gone           –\n"
        "\n"
        "What to know:\n"
        "One sentence.\n"
        "Another one.\n"
        "\n"
        "  - This.\n"
        "  - That.\n"
        "\n"
        "!  Look out."
    )


def test_bounds_that_are_all_exact_need_no_column() -> None:
    assert render((make_table(("size", SIZE)),)) == (
        "metric     value\n------  --------\nsize    93.8 MiB"
    )


@pytest.mark.parametrize(
    ("low", "high", "n", "text"),
    [
        (1.0, None, 0, "from 1.00"),
        (None, 3.0, 0, "up to 3.00"),
        (None, None, 0, "–"),
        (2.0, 2.0, 1, "–"),
    ],
)
def test_bounds_that_are_not_known_are_told(
    low: float | None, high: float | None, n: int, text: str
) -> None:
    figure = Figure(2.0, low, high, "", "interval", n)
    assert render((make_table(("x", figure)),)).splitlines()[-1] == f"x        2.00  {text}"


def test_rows_of_one_group_stand_below_its_name() -> None:
    columns = (Column("lab"), Column("model"), Column("size", align="right"))
    rows = (("Qwen", "qwen3", 8), ("Qwen", "qwen2", 70), ("OpenAI", "gpt", 20))
    assert render((Table(columns, rows, is_grouped=True),)) == (
        "  model  size\n  -----  ----\nQwen\n  qwen3     8\n  qwen2    70\nOpenAI\n  gpt      20"
    )


def test_a_table_without_headers_has_no_line_below_them() -> None:
    assert (
        render((Table((Column(""), Column("")), (("a", "b"), ("ccc", "d"))),)) == "a    b\nccc  d"
    )


def wide(n: int, name: str = "name") -> Table:
    columns = (Column("first"), *(Column(f"column {i}", align="right") for i in range(n)))
    return Table(columns, ((name, *([1] * n)),))


def test_a_table_that_is_hardly_too_wide_has_narrower_gaps_and_then_shorter_names() -> None:
    assert render((wide(7),)).splitlines()[0].startswith("first  column 0  column 1")
    assert render((wide(8),)).splitlines()[0].startswith("first column 0 column 1")
    cut = render((wide(6, "a-name-that-is-quite-long-" + "x" * 20),)).splitlines()
    assert cut[2].startswith("a-name-that-is-quite-long…  ")
    assert max(map(len, cut)) <= WIDTH


def test_a_table_that_is_far_too_wide_goes_on_below_behind_its_names() -> None:
    lines = render((wide(12),)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line.split()[0] for line in lines if line] == ["first", "-----", "name"] * 2
    assert sum(line.count("column") for line in lines) == 12


def test_bounds_stay_beside_their_figure() -> None:
    columns = (Column("type"), *(Column(f"metric {i}", interval="") for i in range(5)))
    text = render((Table(columns, (("Q4", *([RATE] * 5)),)),))
    for line in text.splitlines():
        assert line.count("305") == line.count("301 – 318")


def test_a_wide_line_has_room_for_more_columns_but_sentences_stay_short() -> None:
    page = (wide(12), Note(("word " * 50,)))
    lines = render(page, 200).splitlines()
    assert lines[0].count("column") == 12
    assert max(map(len, lines[3:])) <= 100
    narrow = render(page, 60).splitlines()
    assert max(map(len, narrow)) <= 60
    assert " ".join(narrow).count("column") == 12


def test_a_name_for_each_row_stands_beside_it_where_there_is_room() -> None:
    columns = (Column("name"), *(Column(f"column {i}", align="right") for i in range(6)))
    names = ("a-name-that-is-quite-long", "another-name-that-is-long-too")
    table = Table(columns, tuple((name, *([1] * 6)) for name in names), is_grouped=True)
    assert render((table,), 80).splitlines()[2] == names[0]
    beside = render((table,), 120).splitlines()
    assert beside[2].startswith(f"{names[0]}  ")
    assert beside[0].startswith("name  ")


def test_a_grouped_table_that_is_too_wide_repeats_no_figure_as_if_it_were_a_name() -> None:
    columns = (Column("lab"), *(Column(f"column {i}", align="right") for i in range(12)))
    text = render((Table(columns, (("Qwen", *range(12)),), is_grouped=True),), 60)
    assert [text.count(f"column {i}\n") + text.count(f"column {i} ") for i in range(12)] == [1] * 12
    assert text.count("Qwen") > 1


@given(st.lists(st.text(max_size=70), min_size=1, max_size=5), st.integers(60, 200), st.booleans())
def test_no_text_is_too_wide_for_any_terminal(
    texts: list[str], width: int, is_grouped: bool
) -> None:
    columns = (*(Column(f"column {i}") for i in range(len(texts))), Column("figure", interval=""))
    page = (Table(columns, ((*texts, RATE),), is_grouped=is_grouped),)
    assert max(map(len, render(page, width).splitlines())) <= width


def test_a_path_is_never_broken() -> None:
    path = Path("/" + "long folder/" * 12)
    page = (
        Facts((("Path", path),)),
        Table((Column("name"), Column("path")), (("a" * 30, path),)),
        Note((f"Record: {path}",), is_whole=True),
    )
    assert render(page).count(str(path)) == 3


@given(st.text(max_size=60))
def test_no_text_steers_a_terminal_or_forges_a_line(text: str) -> None:
    shown = render(make_page(text))
    assert all(char.isprintable() or char == "\n" for char in shown)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_hostile_text_stays_within_its_columns_and_commands_no_runner(width: int) -> None:
    lines = render(make_page(HOSTILE)[:-1], width).splitlines()
    assert max(map(len, lines)) <= width
    # A runner takes a line for a command where it begins with one, spaces aside.
    assert not any(line.strip().startswith("::") or "##[" in line for line in lines)
