"""Files of llama-bench as a shell leaves them: with a log in them, or cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.bench_rows import as_csv, as_json, as_jsonl, as_sql, make_row

from harness.commands.exchange.read import parse
from harness.commands.exchange.whole_rows import whole_rows
from harness.errors import ResultsInvalid

REAL = Path(__file__).parents[2] / "gold" / "llama-bench-0c1e570"
ROWS = (make_row(n_prompt=512, n_gen=0), make_row(n_depth=4096), make_row(n_gen=64))
WRITERS: dict[str, Callable[..., bytes]] = {
    "json": as_json,
    "jsonl": as_jsonl,
    "csv": as_csv,
    "sql": as_sql,
}
EACH = pytest.mark.parametrize("format", WRITERS)
LOG = (
    "ggml_cuda_init: found 1 CUDA devices (Total VRAM: 81559 MiB):\n"
    "  Device 0: NVIDIA H100, compute capability 9.0, VMM: yes, VRAM: 81559 MiB\n"
    "[1/6] llama-bench: benchmark 1/2: starting\n"
    "warning: asserts enabled, performance may be affected\n"
)


@EACH
def test_a_log_before_the_rows_is_left_out_and_said(format: str) -> None:
    whole = WRITERS[format](*ROWS)
    found = parse(LOG.encode() + b"\n" + whole, "it")
    assert found.records == parse(whole, "it").records
    assert found.beside == ("4 lines that are not of llama-bench's results",)


@EACH
def test_a_log_behind_the_rows_is_left_out_and_said(format: str) -> None:
    whole = WRITERS[format](*ROWS)
    found = parse(whole.rstrip(b"\n") + b"\nllama_memory_breakdown_print: done\n", "it")
    assert found.records == parse(whole, "it").records
    assert found.beside == ("1 line that is not of llama-bench's results",)


@pytest.mark.parametrize("format", ["json", "jsonl", "csv"])
def test_a_log_between_what_llama_bench_printed_is_left_out(format: str) -> None:
    data = (REAL / f"tiny.{format}").read_text()
    lines = data.splitlines(keepends=True)
    between = {"json": "  },\n", "jsonl": lines[0], "csv": lines[1]}[format]
    found = parse(data.replace(between, between + LOG.splitlines()[0] + "\n", 1).encode(), "it")
    assert found.records == parse(data.encode(), "it").records
    assert found.beside == ("1 line that is not of llama-bench's results",)


@EACH
def test_what_is_cut_off_at_the_end_is_left_out_and_said(format: str) -> None:
    data = (REAL / f"tiny.{format}").read_bytes().rstrip()
    whole = parse(data, "it").records
    found = parse(data[:-60], "it")
    assert found.records == whole[:-1]
    (told,) = found.beside
    assert told.endswith(", which is cut off")


@EACH
def test_wherever_it_is_cut_off_whole_rows_come_or_one_line(format: str) -> None:
    data = (REAL / f"tiny.{format}").read_bytes()
    whole = parse(data, "it").records
    n_before = 0
    for n_bytes in range(0, len(data), 97):
        try:
            found = parse(data[:n_bytes], "it")
        except ResultsInvalid:
            assert n_before == 0  # only as long as not one row is whole
            continue
        assert found.records == whole[: len(found.records)]
        assert len(found.records) >= n_before
        n_before = len(found.records)
    assert n_before >= len(whole) - 1


@pytest.mark.parametrize("name", ["tiny.json", "tiny.jsonl", "tiny.csv", "tiny.sql"])
def test_of_a_whole_file_nothing_is_left_out(name: str) -> None:
    text = (REAL / name).read_text()
    assert whole_rows(text) == (text, ())


def test_lines_keep_their_numbers() -> None:
    row = make_row()
    del row["avg_ts"]
    with pytest.raises(ResultsInvalid, match="line 6 was not imported: avg_ts"):
        parse(LOG.encode() + as_jsonl(make_row(), row), "it")


def test_a_damaged_row_between_others_is_still_an_error() -> None:
    lines = as_jsonl(*ROWS).splitlines(keepends=True)
    with pytest.raises(ResultsInvalid, match="line 2: it is not JSON"):
        parse(lines[0] + lines[1][:-40] + b"\n" + lines[2], "it")


@given(st.text(alphabet='[]{}",;\\\n abuild_commit', max_size=200))
def test_any_text_stays_a_text_of_no_more_lines(text: str) -> None:
    rest, left_out = whole_rows(text)
    assert rest.count("\n") <= text.count("\n")
    assert all(told.isprintable() for told in left_out)
