from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.bench_rows import (
    Row,
    as_csv,
    as_database,
    as_json,
    as_jsonl,
    as_sql,
    make_row,
    older,
    without_samples,
)

from harness.commands.exchange import elements, read, whole_rows
from harness.commands.exchange.read import MOST_BYTES, parse
from harness.commands.exchange.record import NAMES, averages
from harness.errors import ResultsInvalid

REAL = Path(__file__).parents[2] / "gold" / "llama-bench-0c1e570"
ROWS = (make_row(n_prompt=512, n_gen=0), make_row(n_depth=4096))
WRITERS: dict[str, Callable[..., bytes]] = {
    "json": as_json,
    "jsonl": as_jsonl,
    "csv": as_csv,
    "sql": as_sql,
    "database": lambda *rows: as_database(as_sql(*rows).decode()),
}


def refusal(data: bytes) -> str:
    with pytest.raises(ResultsInvalid) as caught:
        parse(data, "it.json")
    message = str(caught.value)
    assert message.startswith("it.json")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("format", WRITERS)
def test_every_format_gives_the_same_records_but_for_the_samples(format: str) -> None:
    found = parse(WRITERS[format](*ROWS), "it")

    expected = parse(as_json(*ROWS), "it").records
    if format not in ("json", "jsonl"):
        expected = tuple(record.model_copy(update={"samples_ns": ()}) for record in expected)
    assert found.records == expected
    assert found.unknown_keys == ()


@pytest.mark.parametrize("format", WRITERS)
def test_the_older_generation_is_read_too(format: str) -> None:
    (record,) = parse(WRITERS[format](older(make_row())), "it").records

    assert (record.load_mode, record.flash_attn, record.n_cpu_moe) == ("mmap", 0, 0)


@pytest.mark.parametrize(
    ("mapped", "direct", "expected"),
    [(True, False, "mmap"), (False, False, "none"), (False, True, "dio"), (True, None, "mmap")],
)
def test_the_older_way_to_say_how_weights_are_loaded_is_understood(
    mapped: bool, direct: bool | None, expected: str
) -> None:
    row = older(make_row()) | {"use_mmap": mapped}
    if direct is not None:
        row["use_direct_io"] = direct
    (record,) = parse(as_json(row), "it").records

    assert record.load_mode == expected


def test_a_redirection_of_the_windows_shell_is_read() -> None:
    text = as_jsonl(*ROWS).decode()

    assert parse(text.encode("utf-16"), "it").records == parse(text.encode(), "it").records
    assert parse(text.encode("utf-8-sig"), "it").records == parse(text.encode(), "it").records


def test_keys_of_a_generation_to_come_are_named() -> None:
    found = parse(as_json(make_row(n_experts=8)), "it")

    assert found.unknown_keys == ("n_experts",)


@pytest.mark.parametrize(
    "key", [name for name in NAMES if name in ("build_commit", "n_threads", "avg_ts", "model_size")]
)
def test_a_missing_key_is_named_with_its_record(key: str) -> None:
    row = make_row()
    del row[key]
    message = refusal(as_json(make_row(), row))

    assert message == f"it.json, record 2 was not imported: {key}: Field required."


HOSTILE: list[tuple[str, Any]] = [
    ("model_size", 2**63),
    ("model_size", 0),
    ("model_size", -1),
    ("model_size", 1.5),
    ("model_size", True),
    ("model_size", "1e5"),
    ("model_size", None),
    ("model_size", [1]),
    ("n_threads", 0),
    ("n_prompt", -1),
    ("n_gpu_layers", -2),
    ("avg_ts", 0),
    ("avg_ts", 1e300),
    ("avg_ts", 1.0),
    ("avg_ts", "fast"),
    ("avg_ns", 0),
    ("avg_ns", 50_000_000),
    ("samples_ns", [0]),
    ("samples_ns", "many"),
    ("samples_ns", [1] * 100_001),
    ("samples_ns", [{}]),
    ("flash_attn", 2),
    ("embeddings", "maybe"),
    ("embeddings", [1]),
    ("load_mode", "magic"),
    ("split_mode", ""),
    ("cpu_info", 7),
    ("cpu_info", "x" * 5000),
    ("test_time", "yesterday"),
    ("test_time", "0001-01-01T00:00:00+23:59"),
    ("test_time", None),
]


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_a_value_that_cannot_be_is_refused_by_its_name(key: str, value: object) -> None:
    message = refusal(as_json(make_row() | {key: value}))

    assert message.startswith("it.json, record 1 was not imported: ")
    assert key.split("_")[0] in message or "avg_" in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"avg_ts": NaN}]', "NaN is not a number"),
        ('[{"avg_ts": -Infinity}]', "-Infinity is not a number"),
        ('[{"avg_ts": 1e999}]', "1e999 is beyond any number"),
        ('[{"avg_ns": 1' + "0" * 5000 + "}]", "is beyond any number"),
        ('{"a": 1, "a": 2}', "line 1: an object has a key twice"),
        ("[" * 100_000, "it is nested too deep"),
        ('{"a":' * 100_000, "it is nested too deep"),
        ("[1]", "record 1 is not an object"),
        ('{"build_commit": "8cf', "line 1: it is not JSON at line 1"),
        ('[\n  {"build_commit": "8cf427ff"},\n', "record 1 was not imported: cpu_info: Field req"),
        ("[\n{},,\n{}]", "record 1 was not imported: build_commit: Field required"),
        ("[]", "it holds no record"),
        ("", "it is none of llama-bench's formats"),
        ("\0" * 1000, "it is none of llama-bench's formats"),
        ("hello", "it is none of llama-bench's formats"),
        ("| model | size |\n", "have llama-bench print -o jsonl"),
        ("build_commit,avg_ns\n", "it holds no record"),
        ("build_commit,build_commit\na,b\n", "names a column twice"),
        ("build_commit,avg_ns\na\n", "line 2: 1 values for 2 columns"),
        ('build_commit,avg_ns\n"a,b\n', "line 2"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(text: str, reason: str) -> None:
    assert reason in refusal(text.encode())


# A tenth of what there could be, and a tenth of the bounds.
ENDLESS = {
    "empty objects": (b"[" + b"{}," * 999_999 + b"{}]", "record 1 was not imported: build_commit"),
    "one list": (b"[[" + b"[]," * 999_999 + b"[]]]", "a record has more than 400,000 characters"),
    "one text": (b'[{"a":"' + b"x" * 3_000_000 + b'"}]', "it is not JSON at line 1: Unterminated"),
    "empty lines": (b"build_commit\n" + b"\n" * 3_000_000, "it has more than 20,000 lines"),
    "a line": (b'{"a":"' + b"x" * 3_000_000 + b'"}', "a record has more than 400,000 characters"),
    "values": (b"build_commit\n" + b"," * 3_000_000, "a record has more than 400,000 characters"),
    "a row": (b"build_commit\n" + (b'"%99s\n",' % b"") * 20_000, "a row has more than 400,000"),
}


@pytest.mark.parametrize(("data", "reason"), ENDLESS.values(), ids=ENDLESS.keys())
def test_a_file_of_next_to_nothing_takes_little_memory(
    data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "MOST_RECORD_CHARACTERS", 400_000)
    monkeypatch.setattr(read, "MOST_RECORD_CHARACTERS", 400_000)
    monkeypatch.setattr(elements, "_STEP_CHARACTERS", 100_000)
    for module in (elements, whole_rows):
        monkeypatch.setattr(module, "_MOST_LINES", 20_000)
    tracemalloc.start()
    try:
        assert reason in refusal(data)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20_000_000


def test_more_records_or_samples_than_anybody_has_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for format, write in WRITERS.items():
        monkeypatch.setattr(read, "MOST_RECORDS", 2)
        assert len(parse(write(*ROWS), format).records) == 2
        assert "it has more than 2 records" in refusal(write(*ROWS, ROWS[0]))
    monkeypatch.setattr(read, "MOST_SAMPLES", 3)
    assert "or 3 samples" in refusal(as_json(*ROWS))


def test_bytes_that_are_no_text_are_refused() -> None:
    assert "UTF-8" in refusal(b'[{"cpu_info": "\xff"}]')


def test_a_file_beyond_all_bounds_is_refused_unread() -> None:
    assert "32 MiB" in refusal(b"[" * (MOST_BYTES + 1))


MORE = "it does more than make the table llama_bench and insert values into it"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE llama_bench;", MORE),
        ("DELETE FROM llama_bench;", MORE),
        ("CREATE TABLE other (a TEXT);", MORE),
        ("CREATE TEMP TABLE llama_bench (a TEXT);", MORE),
        ("CREATE VIEW other AS SELECT 1;", MORE),
        ("CREATE TRIGGER t AFTER INSERT ON llama_bench BEGIN SELECT 1; END;", MORE),
        ("ALTER TABLE llama_bench ADD b TEXT;", MORE),
        ("ATTACH 'other.sqlite' AS other;", MORE),
        ("VACUUM INTO 'other.sqlite';", MORE),
        ("PRAGMA writable_schema = ON;", MORE),
        ("BEGIN;", MORE),
        ("INSERT INTO llama_bench (a) SELECT 1;", MORE),
        ("INSERT INTO llama_bench (a) VALUES ((SELECT 1));", MORE),
        ("INSERT INTO llama_bench (a) VALUES ('1'), ('2');", MORE),
        ("INSERT INTO sqlite_master VALUES (1, 2, 3, 4, 5);", "may not be modified"),
        ("INSERT INTO users (a) VALUES ('1');", "no such table: users"),
        ("INSERT INTO llama_bench (a) VALUES (load_extension('x'));", "function: load_extension"),
        ("INSERT INTO llama_bench (a) VALUES (CURRENT_TIMESTAMP);", "function: CURRENT_TIMESTAMP"),
        ("INSERT INTO llama_bench (a) VALUES ('it's');", "does not escape quotes"),
        ("INSERT INTO llama_bench (a) VALUES ('1', '2');", "2 values for 1 columns"),
        ("INSERT INTO llama_bench (b) VALUES ('1');", "no column named b"),
        ("INSERT INTO llama_bench (a) VALUES (1;", "syntax error"),
        ("INSERT INTO llama_bench (a) VALUES ('1" + "x" * 10_000 + ";", "unrecognized token"),
    ],
)
def test_sql_that_llama_bench_does_not_print_is_refused(statement: str, reason: str) -> None:
    before = (
        "CREATE TABLE IF NOT EXISTS llama_bench (a TEXT);\n"
        "INSERT INTO llama_bench (a) VALUES ('1');\n"
    )
    message = refusal((before + statement).encode())

    assert message.startswith("it.json was not imported: after row 1: ")
    assert reason in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE TABLE llama_bench AS SELECT 1;", f"before any row: {MORE}"),
        ("CREATE TABLE llama_bench (a TEXT PRIMARY KEY);", f"before any row: {MORE}"),
        ("CREATE TABLE llama_bench (a TEXT DEFAULT 1);", "not as llama-bench makes it"),
        ("CREATE TABLE llama_bench (a TEXT, b TEXT AS (a));", f"before any row: {MORE}"),
        ("CREATE TABLE llama_bench (a TEXT CHECK (a));", f"before any row: {MORE}"),
        ("CREATE TABLE IF NOT EXISTS llama_bench (a TEXT);", "it holds no record"),
        ("INSERT INTO llama_bench (n_threads) VALUES (NULL);", "row 1 was not imported"),
    ],
)
def test_a_table_that_llama_bench_does_not_make_is_refused(sql: str, reason: str) -> None:
    assert reason in refusal(sql.encode())


def test_rows_for_a_table_that_is_already_there_are_read() -> None:
    row = older(without_samples(make_row()))
    _, statement = as_sql(row).decode().split(");\n", maxsplit=1)
    assert statement.lstrip().startswith("INSERT")

    assert parse(statement.encode(), "it") == parse(as_sql(row), "it")


def test_a_quote_that_was_doubled_is_one_quote() -> None:
    data = as_sql(make_row(model_filename="it''s.gguf"))
    (record,) = parse(data, "it").records

    assert record.model_filename == "it's.gguf"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE TABLE other (a TEXT);", "no table llama_bench"),
        ("CREATE VIEW llama_bench AS SELECT 1 AS build_commit;", "no table llama_bench"),
        (
            "CREATE TABLE llama_bench (a TEXT, b TEXT AS (upper(a)));"
            "INSERT INTO llama_bench (a) VALUES ('1');",
            "not as llama-bench makes it",
        ),
        ("CREATE TABLE llama_bench (a TEXT DEFAULT (1));", "not as llama-bench makes it"),
        (
            "CREATE TABLE llama_bench (a TEXT);"
            "INSERT INTO llama_bench VALUES (hex(zeroblob(1000000)));",
            "SQLite cannot read it",
        ),
        ("CREATE TABLE llama_bench (a TEXT);", "it holds no record"),
    ],
)
def test_a_database_that_is_not_llama_benchs_is_refused(sql: str, reason: str) -> None:
    assert reason in refusal(as_database(sql))


def test_a_database_keeps_what_was_added_before_a_column_was() -> None:
    row = without_samples(make_row())
    sql = as_sql(row).decode() + "ALTER TABLE llama_bench ADD COLUMN later TEXT;"
    found = parse(as_database(sql), "it")

    assert (len(found.records), found.unknown_keys) == (1, ())


def test_a_database_with_a_log_beside_it_is_refused() -> None:
    data = bytearray(as_database(as_sql(make_row()).decode()))
    data[18:20] = b"\x02\x02"

    assert "journal_mode" in refusal(bytes(data))


def _survives(data: bytes) -> None:
    """Records or one line: nothing else may come of a file."""
    problem = ""
    try:
        parse(data, "it")
    except ResultsInvalid as error:
        problem = str(error)
    assert problem == "" or problem.isprintable()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*NAMES, "samples_ns", "use_mmap"]), values, max_size=4))
@settings(max_examples=60)
def test_no_value_of_any_key_does_more_than_be_refused(changes: Row) -> None:
    _survives(json.dumps([make_row() | changes]).encode("utf-8", "surrogatepass"))


def _damaged(seed: int) -> bytes:
    """One of the formats with some bytes changed, cut, doubled or moved."""
    rng = random.Random(seed)
    data = bytearray(rng.choice(list(WRITERS.values()))(*ROWS))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        how = rng.randrange(4)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del data[at : at + rng.randint(1, 40)]
        elif how == 2:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        else:
            data[at:at] = rng.choice([b"'", b'"', b"\0", b"\n", b";", b"(", b"[", b"{", b"9" * 30])
        if not data:
            break
    return bytes(data)


@given(st.integers(0, 2**32))
@settings(max_examples=80)
def test_a_file_with_some_bytes_changed_is_read_or_refused(seed: int) -> None:
    _survives(_damaged(seed))


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused() -> None:
    for seed in range(20_000):
        _survives(_damaged(seed))


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "sql"])
def test_what_llama_bench_itself_printed_is_read_whole(format: str) -> None:
    found = parse((REAL / f"tiny.{format}").read_bytes(), "it")

    assert found.unknown_keys == ()
    tests = [(each.n_prompt, each.n_gen, each.n_depth) for each in found.records]
    assert tests == [(16, 0, 0), (0, 4, 0), (16, 0, 8), (0, 4, 8)]
    assert {each.build_commit for each in found.records} == {"0c1e570"}
    assert {len(each.samples_ns) for each in found.records} == {2 if "js" in format else 0}


@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_our_averages_of_its_samples_are_those_that_it_printed(format: str) -> None:
    for record in parse((REAL / f"tiny.{format}").read_bytes(), "it").records:
        ours = averages(record.n_tokens, list(record.samples_ns))

        assert ours["avg_ns"] == record.avg_ns
        assert ours["stddev_ns"] == pytest.approx(record.stddev_ns, abs=300)
        assert ours["avg_ts"] == pytest.approx(record.avg_ts, abs=1e-5)
        assert ours["stddev_ts"] == pytest.approx(record.stddev_ts, abs=1e-5)


def test_what_llama_bench_prints_as_a_table_is_told_what_to_do_instead() -> None:
    assert "-o jsonl" in refusal((REAL / "tiny.md").read_bytes())
