"""`harness export` and `harness import`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from make.bench_rows import as_database, as_json, as_jsonl, as_sql, make_row
from make.records import make_end, make_experiment, make_run, make_runs

from cli.commandline import Home
from harness.records.store import ExperimentWriter, load


@pytest.fixture
def measured(home: Home) -> Home:
    """A folder with an experiment of two Runs."""
    with ExperimentWriter(home.results, make_experiment(("pp512", "tg128", "chat"))) as writer:
        for run in make_runs(2):
            writer.append_run(run)
        writer.finish(make_end(2))
    return home


def test_export_writes_rows_to_stdout_and_what_it_left_out_to_stderr(measured: Home) -> None:
    done = measured.harness("export")

    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["n_prompt"], row["n_gen"]) for row in rows] == [(512, 0), (0, 128)]
    assert done.stderr == ("Left out: smollm2-135m:Q4_1 chat (llama-bench has no such workload).\n")


def test_a_dash_is_stdout_for_export_and_no_file_for_junit(measured: Home) -> None:
    plain, dashed = measured.harness("export"), measured.harness("export", "--to", "-")
    assert dashed == plain
    assert measured.harness("export", "--to", "-", "--force").exit_code == 2
    assert "./-" in measured.harness("gate", "--baseline", "best", "--junit", "-").error()
    assert not (measured.folder / "-").exists()


def test_export_never_overwrites_without_being_told_to(measured: Home) -> None:
    out = measured.folder / "out.csv"
    first = measured.harness("export", "latest", "--output", "csv", "--to", out)
    written = out.read_text("utf-8")
    out.write_text("precious", "utf-8")
    refused = measured.harness("export", "--output", "csv", "--to", out)
    kept = out.read_text("utf-8")
    forced = measured.harness("export", "--output", "csv", "--to", out, "--force", "--json")

    assert (first.exit_code, first.stdout) == (0, "")
    assert refused.exit_code == 2
    assert "--force" in refused.error()
    assert kept == "precious"
    assert forced.document["written"] == str(out)
    assert len(forced.document["rows"]) == 2
    assert out.read_text("utf-8") == written
    assert not list(measured.folder.glob("*.part"))


def test_export_to_a_folder_that_is_not_there_is_one_line(measured: Home) -> None:
    done = measured.harness("export", "--to", "nowhere/out.jsonl")

    assert done.exit_code == 2
    assert "there is no folder nowhere; make it first" in done.error()


def test_export_of_nothing_or_of_what_is_not_there_is_refused(home: Home) -> None:
    assert "No experiment" in home.harness("export").error()
    with ExperimentWriter(home.results, make_experiment(("chat",))) as writer:
        writer.finish(make_end(0))
    done = home.harness("export")

    assert done.exit_code == 1
    assert "Nothing to export" in done.error()


def test_export_as_builds_says_how_to_compare(home: Home) -> None:
    home.results.mkdir()
    rows = [make_row(), make_row()]
    (home.folder / "rows.json").write_bytes(as_json(*rows))
    home.harness("import", "rows.json")
    done = home.harness("export")

    assert done.exit_code == 1
    assert "it came from llama-bench" in done.error()


def test_import_makes_an_experiment_that_show_names_as_such(home: Home) -> None:
    (home.folder / "rows.jsonl").write_bytes(as_jsonl(make_row(), make_row(n_threads=4)))
    done = home.harness("import", "rows.jsonl")
    shown = home.harness("show", "latest")
    listed = home.harness("show")

    stored = load(home.record())
    assert stored.is_complete
    assert done.exit_code == 0
    assert done.stderr == f"\nNext: `harness show {stored.experiment.id}` shows it.\n"
    assert done.stdout.startswith(f"{stored.experiment.id}  smollm2-135m-q4_k_m.gguf  2 Runs")
    assert shown.exit_code == 0
    assert "imported from llama-bench" in shown.stdout.replace("\n", " ")
    assert "1222" in shown.stdout  # tok/s: the median of 128 in 0.1 s and in 0.11 s
    assert "MBU" not in shown.stdout.split("no MBU")[0]
    assert "imported" in listed.stdout


def test_import_of_the_same_results_in_another_form_writes_nothing(home: Home) -> None:
    sql = as_sql(make_row())
    (home.folder / "a.sql").write_bytes(sql)
    (home.folder / "a.sqlite").write_bytes(as_database(sql.decode()))
    first = home.harness("import", "a.sql", "--json")
    before = home.record().read_bytes()
    second = home.harness("import", "a.sqlite", "--json")

    assert [done.exit_code for done in (first, second)] == [0, 0]
    ((new,), (old,)) = (done.document["experiments"] for done in (first, second))
    assert (new["is_new"], old["is_new"]) == (True, False)
    assert new | {"is_new": False} == old
    assert "imported before" in second.stderr
    assert home.record().read_bytes() == before


def test_what_a_killed_import_left_is_made_whole(home: Home) -> None:
    (home.folder / "rows.jsonl").write_bytes(as_jsonl(make_row(), make_row(n_threads=4)))
    home.harness("import", "rows.jsonl")
    whole = home.record().read_bytes()
    first, _, _ = whole.partition(b"\n")
    home.record().write_bytes(first + b"\n")  # as an import that wrote line by line was killed
    again = home.harness("import", "rows.jsonl", "--json")

    assert again.exit_code == 0
    assert [each["is_new"] for each in again.document["experiments"]] == [True]
    assert home.record().read_bytes() == whole


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "sent",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_an_import_that_is_ended_left_all_or_nothing(home: Home, sent: signal.Signals) -> None:
    rows = [make_row(n_prompt=n, n_gen=0) for n in range(1, 2000)]
    (home.folder / "rows.jsonl").write_bytes(as_jsonl(*rows))
    home.harness("import", "rows.jsonl", "--results", "whole")
    (whole,) = (home.folder / "whole").glob("*.jsonl")
    for wait_s in (0.4, 0.7, 1.0, 1.4):
        with home.started("import", "rows.jsonl") as import_:
            time.sleep(wait_s)
            os.killpg(import_.pid, sent)
            import_.done()
        if home.results.exists() and list(home.results.glob("*.jsonl")):
            break  # it was done before
    else:
        assert home.harness("import", "rows.jsonl").exit_code == 0
    assert home.record().read_bytes() == whole.read_bytes()
    assert not list(home.results.glob("*.part"))


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.json", as_json(make_row(), make_row(avg_ts="x")), "a.json, record 2"),
        ("b.sql", b"DROP TABLE llama_bench;", "b.sql"),
        ("c.json", b'[{"avg_ns": ' + b"9" * 5000, "c.json"),
        ("d.csv", b"", "d.csv"),
    ],
)
def test_import_of_a_damaged_file_writes_nothing(
    home: Home, name: str, data: bytes, told: str
) -> None:
    (home.folder / name).write_bytes(data)
    done = home.harness("import", name)

    assert done.exit_code == 1
    assert told in done.error()
    assert not home.results.exists()


def test_import_of_what_cannot_be_read_is_one_line(home: Home) -> None:
    assert "nothing.json" in home.harness("import", "nothing.json").error()
    assert str(home.folder) in home.harness("import", home.folder).error()


def test_import_reads_stdin(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "import", "-"],
        cwd=home.folder,
        env=home.environment() | {"PYTHONPATH": str(Path.cwd())},
        input=as_jsonl(make_row(n_prompt=8, n_gen=8), make_row()),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert b"Left out: 1 row, pp and tg under one clock" in done.stderr
    assert len(load(home.record()).runs) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs /dev/zero")
def test_import_of_an_endless_file_ends(home: Home) -> None:
    assert "32 MiB" in home.harness("import", "/dev/zero").error()


def test_export_of_several_sequences_is_in_the_format_of_llama_batched_bench(home: Home) -> None:
    workloads = ("pp64x4", "tg8x4@d64", "chat")
    with ExperimentWriter(home.results, make_experiment(workloads)) as writer:
        writer.append_run(make_run(0, workloads))
        writer.finish(make_end(1))
    done = home.harness("export", "--format", "llama-batched-bench")
    (row,) = map(json.loads, done.stdout.splitlines())
    refused = home.harness("export", "--format", "llama-batched-bench", "--output", "csv")

    assert (row["pp"], row["tg"], row["pl"]) == (64, 8, 4)
    assert "chat (llama-batched-bench has no such workload)" in done.stderr
    assert refused.exit_code == 2
    assert "llama-batched-bench has jsonl alone" in refused.error()
    assert "llama-bench has one sequence alone" in home.harness("export").error()
