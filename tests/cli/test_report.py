"""`harness report`: one page of what is stored, whoever stored it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from make.gate import make_candidate, make_rounds
from make.html_tables import ReadPage
from make.machines import models_called
from make.pages import HOSTILE
from make.records import make_end, make_model

from cli.commandline import Home
from harness import units
from harness.records.store import write_whole
from harness.report.charts import can_draw
from harness.report.text import sanitize
from harness.schema.experiment import Experiment, Run

EXAMPLES = Path(__file__).resolve().parents[2] / "results" / "examples"
GOLD = Path(__file__).resolve().parents[1] / "gold"
EVIL = f"</style></svg><script>alert(1)</script>\u202e\"'{'x' * 300}"


def put(folder: Path, experiment: Experiment, runs: list[Run] | None = None, **given: Any) -> Path:
    made = make_rounds(experiment, **given) if runs is None else runs
    return write_whole(folder, experiment, made, make_end(len(made)))


def read(home: Home, name: str = "report.html") -> ReadPage:
    return ReadPage((home.folder / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def examples(new_home: Any) -> Home:
    """A home whose results are the examples, and a page of them."""
    home: Home = new_home()
    shutil.copytree(EXAMPLES, home.results)
    done = home.harness("report")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Report: report.html" in done.stdout
    return home


@pytest.mark.slow
@pytest.mark.skipif(not can_draw(), reason="nothing draws here")
def test_every_picture_is_in_the_page_and_a_file_where_it_is_asked_for(examples: Home) -> None:
    html = (examples.folder / "report.html").read_text("utf-8")
    done = examples.harness("report", "2ea7", "-o", "one.html", "--svg", "drawn", "--json")
    names = [Path(each).name for each in done.document["pictures"]]
    assert names == [
        "verdicts.svg", "decode.svg", "prefill.svg", "memory.svg", "itl.svg", "ratios.svg",
    ]  # fmt: skip
    assert {path.name for path in (examples.folder / "drawn").iterdir()} == set(names)
    assert html.count("<svg") == len(names) + 2  # the same twice makes two histories
    again = examples.harness("report", "2ea7", "-o", "two.html", "--svg", "drawn")
    assert (again.exit_code, "--force" in again.error()) == (2, True)
    assert not (examples.folder / "two.html").exists()


def test_every_figure_of_its_tables_is_the_records(examples: Home) -> None:
    (rates,) = read(examples).of("Speed")
    (memory,) = read(examples).of("Memory")
    (gaps,) = read(examples).of("Inter-token latency")
    for path in EXAMPLES.glob("*.jsonl"):
        id = path.stem.rpartition("-")[2]
        document = examples.harness("show", id, "--json").document
        for case in document["cases"]:
            metrics = case["metrics"]
            for name in ("tok_per_s", "decode_tok_per_s", "prefill_tok_per_s"):
                if name not in metrics:
                    continue
                figure = metrics[name]
                bounds = " – ".join(
                    units.quantity(figure[end], figure["unit"]) for end in ("low", "high")
                )
                mark = " *" if figure["kind"] == "range" else ""
                value = units.quantity(figure["value"], figure["unit"])
                wanted = [case["workload"], value, bounds + mark, str(figure["n"])]
                rows = [[row[1], *row[3:6]] for row in rates.rows]
                assert wanted in rows, wanted
            assert units.memory_size(metrics["need"]["value"]) in memory.column("needed")
            assert units.memory_size(metrics["peak"]["value"]) in memory.column("peak")
            if "itl_p95" in metrics:
                assert units.duration(metrics["itl_p95"]["value"]) in gaps.column("ITL p95")


def test_its_sections_say_how_well_it_runs_how_far_to_trust_it_and_how_to_repeat_it(
    examples: Home,
) -> None:
    page = read(examples)
    assert page.sections == [
        "Verdicts", "How far to trust it", "Speed", "Memory", "Inter-token latency", "Bandwidth",
        "Predicted and measured", "Compared", "Over time", "Method",
    ]  # fmt: skip
    (verdicts,) = page.of("Verdicts")
    document = examples.harness("show", "2ea71a30", "--json").document
    for verdict in document["verdicts"]:
        assert verdict["verdict"]["reason"] in verdicts.column("decided by")
        assert verdict["verdict"]["text"] in verdicts.column("verdict")
    for finding in document["findings"]:
        assert finding["text"] in page.text
    assert "Intel(R) Xeon(R) Processor" in page.text
    assert "0c1e570" in page.text
    typed = [line for block in page.texts["code"] for line in block.splitlines()]
    assert "harness show 2ea71a30" in typed
    assert any("--cache-type-k f16,q8_0" in line for line in typed)
    (ratios,) = page.of("Compared")
    assert ratios.column("B is")[:2] == ["slower", "inconclusive"]


def test_the_command_below_a_comparison_makes_the_same_comparison(examples: Home) -> None:
    import shlex

    (typed,) = (it for it in read(examples).texts["code"] if "--stored" in it)
    done = examples.harness(*shlex.split(typed)[1:])
    assert done.exit_code == 0
    (ratios,) = read(examples).of("Compared")
    for ratio in ratios.column("B / A"):
        assert ratio in done.stdout


@pytest.mark.slow
def test_what_cannot_be_is_refused_in_a_line_and_nothing_is_written(home: Home) -> None:
    done = home.harness("report")
    assert done.exit_code == 1
    assert "No experiment is stored in results" in done.error()
    assert "`harness run`" in done.error()
    put(home.results, make_candidate())
    for arguments, exit_code, said in (
        (("gpt-9",), 1, "matches 'gpt-9'"),
        (("colour=red",), 2, "nothing to select by"),
        (("-o", "nowhere/x.html"), 2, "there is no folder nowhere"),
        (("--png", "nowhere/x"), 1, "nowhere/x"),
        (("-o", "results"), 2, "results is a folder"),
        ((str(home.temporary),), 1, "No experiment is stored in"),
    ):
        done = home.harness("report", *arguments)
        assert (done.exit_code, said in done.error()) == (exit_code, True), done.stderr
    assert not list(home.folder.glob("*.html"))


def test_a_file_that_exists_is_kept_without_force(home: Home) -> None:
    put(home.results, make_candidate())
    mine = home.folder / "report.html"
    mine.write_text("mine")
    done = home.harness("report")
    assert done.exit_code == 2
    assert "--force" in done.error()
    assert mine.read_text() == "mine"
    assert home.harness("report", "--force").exit_code == 0
    assert mine.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_torn_and_alien_files_are_named_and_passed_over(home: Home) -> None:
    whole = put(home.results, make_candidate("good01"))
    put(home.results, make_candidate("torn01", day=21))
    torn = next(home.results.glob("*torn01.jsonl"))
    lines = torn.read_bytes().splitlines(keepends=True)
    torn.write_bytes(b"".join([lines[0], lines[1][:400] + b"\n", *lines[2:]]))
    (home.results / "alien.jsonl").write_text('{"to": "the moon"}\n')
    (home.results / "newer.jsonl").write_text('{"kind": "experiment", "schema": 99}\n')
    done = home.harness("report", "--json")
    assert done.exit_code == 0
    assert done.document["experiments"] == ["good01"]
    page = read(home)
    for name in (torn.name, "alien.jsonl", "newer.jsonl"):
        assert name in done.stderr
        assert name in page.text
    assert len(done.document["problems"]) == 3
    for number in range(40):
        (home.results / f"strange-{number}.jsonl").write_text("{}")
    done = home.harness("report", "--force")
    assert "23 more files there cannot be read" in done.stderr
    assert "23 more files there cannot be read" in read(home).text
    whole.unlink()
    assert home.harness("report", "-o", "none.html").exit_code == 1


@pytest.mark.slow
def test_a_name_is_shown_and_not_obeyed(home: Home) -> None:
    for name in (EVIL, HOSTILE):
        model = make_model(key=name, file_name=name)
        put(home.results, make_candidate(f"id{len(name)}", models=(model,)))
    done = home.harness("report")
    assert done.exit_code == 0
    page = read(home)
    assert not {"script", "img", "iframe", "object"} & page.tags
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in page.text
    assert any(sanitize(HOSTILE)[:60] in it for it in page.of("Speed")[0].column("configuration"))


@pytest.mark.slow
def test_of_many_the_newest_are_shown_and_the_rest_is_counted(home: Home) -> None:
    models = models_called("a:Q4_0", "b:Q4_0")
    for day in range(1, 24):
        put(home.results, make_candidate(f"e{day:02}", day=day, models=models), n_runs=1)
    done = home.harness("report", "--json")
    document = done.document
    assert (document["n_cases"], document["n_cases_left"]) == (80, 12)
    assert document["experiments"][0] == "e23"
    assert "e03" not in document["experiments"]
    assert "12 more cases of 3 experiments" in read(home).text
    assert document["n_bytes"] < 2_000_000


@pytest.mark.slow
def test_a_browser_is_started_where_there_is_one(home: Home) -> None:
    put(home.results, make_candidate())
    nowhere = {"PATH": "", "BROWSER": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    done = home.harness("report", "--open", **nowhere)
    assert done.exit_code == 1
    assert "open report.html in one" in done.stderr
    assert (home.folder / "report.html").exists()
    assert home.harness("report", "--open", "--force", BROWSER="true").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"experiment-{n}.jsonl" for n in range(1, 7)])
def test_records_of_every_schema_make_a_page(home: Home, name: str) -> None:
    done = home.harness("report", GOLD / name)
    assert done.exit_code == 0, done.stderr
    assert read(home).of("Speed")
