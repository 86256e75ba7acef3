"""The page of `harness frontier`: 80 columns, every mark explained, one document."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from make.figures import around, known
from make.gguf import write_small
from make.quality import make_chunks, make_record
from make.records import make_experiment, make_run
from make.shown import read

from harness.analysis.frontier.criteria import CRITERIA
from harness.analysis.frontier.dominance import Frontier, Option
from harness.commands.frontier.advice import advise
from harness.commands.frontier.command import command
from harness.commands.frontier.document import document as document_of
from harness.commands.frontier.frontier import FrontierResult
from harness.commands.frontier.page import page
from harness.machine.probe import probe_machine
from harness.models.digest import sha256_of
from harness.models.gguf.model_file import describe
from harness.models.quantization_sets import REQUANTIZED_FROM, SOURCE_SHA256
from harness.records.quality import save_quality
from harness.records.store import ExperimentWriter
from harness.report import plain
from harness.report.formats import FORMATS
from harness.report.page import without_explanations
from harness.schema.figure import Figure
from harness.schema.model import ModelFile

LARGEST: dict[str, float] = {
    "bytes": 638_888_888_888,
    "need": 888_888_888_888,
    "decode": 188.8888,
    "prefill": 28888.8,
    "ttft": 88_888_888_888,
    "joules": 0.08888,
    "kl": 0.00018888,
    "same_top": 0.30288,
}


def result_of(*options: Option, **changes: object) -> FrontierResult:
    frontier = Frontier(options)
    facts = {
        "model": "model",
        "frontier": frontier,
        "advice": advise(frontier),
        "conditions": (),
        "notes": (),
        "requantized": {},
        "reference": None,
        "paths": {},
    }
    return FrontierResult(**(facts | changes))  # type: ignore[arg-type]


def text_of(result: FrontierResult, form: str = "plain") -> str:
    return FORMATS[form](page(result))


def wide(name: str, *, is_interval: bool, factor: float = 1.0) -> Option:
    figures = {
        each: around(
            value * factor, 0.1, "interval" if is_interval else "range", CRITERIA[each].unit
        )
        for each, value in LARGEST.items()
    }
    return Option(name, figures | {"bytes": known(LARGEST["bytes"], "file bytes")})


@pytest.mark.parametrize("is_interval", [True, False])
def test_the_page_fits_80_columns_whatever_is_on_it(is_interval: bool) -> None:
    text = text_of(
        result_of(
            wide("a-file-of-a-very-long-name-Q4_K_M-from-Q4_1.gguf", is_interval=is_interval),
            wide("UD-Q4_K_XL+", is_interval=is_interval, factor=3),
            requantized={"UD-Q4_K_XL+": "Q4_1"},
            notes=("A note that is so long that it has to be wrapped, which it should be.",),
        )
    )
    assert max(map(len, text.splitlines())) <= 80
    assert ("fewer than 6 Runs" in text) == (not is_interval)
    assert "made here from Q4_1" in text


def option(name: str, kl: float, decode: float, size: float) -> Option:
    figures: dict[str, Figure] = {
        "bytes": known(size, "file bytes"),
        "need": known(size * 2, "bytes"),
        "decode": around(decode, 0.01, unit="tok/s"),
        "kl": around(kl, 0.02, unit="nats"),
        "same_top": known(1 - kl),
    }
    return Option(name, figures)


BEST, WORST = option("Q6_K", 0.005, 40, 6e7), option("Q5_1", 0.02, 30, 7e7)
BROKEN = Option("Q2_K", {"bytes": known(3e7, "file bytes")}, reason_missing="killed by the system")


def test_the_advice_comes_first_and_marks_are_explained() -> None:
    text = plain.render(without_explanations(page(result_of(BEST, WORST, BROKEN))))
    assert text == (
        "Take Q6_K: the fastest of those near the reference (KL divergence 0.005, same\n"
        "top token 99.5 %, decode 40.0 tok/s, comfortable).\n"
        "\n"
        "model\n"
        "\n"
        "type      size  needed decode tok/s             mean KL                 same top\n"
        "------ ------- ------- ------------ ----------- ------- --------------- --------\n"
        "Q6_K   60.0 MB 114 MiB         40.0 39.6 – 40.4   0.005 0.0049 – 0.0051   99.5 %\n"
        "Q5_1 x 70.0 MB 134 MiB         30.0 29.7 – 30.3    0.02 0.0196 – 0.0204   98.0 %\n"
        "Q2_K   30.0 MB       –            –                   –                        –\n"
        "\n"
        "x Q5_1 is dominated: Q6_K is no worse in any figure, better in one.\n"
        "Q2_K: killed by the system."
    )


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_all_figures_are_one_table_where_a_line_has_room_for_it(width: int) -> None:
    options = (wide("UD-Q4_K_XL+", is_interval=True), wide("Q6_K", is_interval=True, factor=3))
    lines = plain.render(page(result_of(*options)), width).splitlines()
    assert max(map(len, lines)) <= width
    assert (sum(line.startswith("type") for line in lines) == 1) == (width == 200)


def test_what_the_figures_are_is_for_whoever_asks() -> None:
    whole = page(result_of(BEST, WORST))
    assert "Mean KL divergence from the reference in nats" in plain.render(whole)
    assert "Mean KL" not in plain.render(without_explanations(whole))


def test_a_name_cannot_steer_a_terminal_nor_break_markdown() -> None:
    text = text_of(result_of(option("evil\x1b[31m|name", 0.01, 5, 1e6)), "github")
    assert "\x1b" not in text
    assert "\\|name" in text


def test_the_document_has_every_figure_and_no_infinity() -> None:
    document = read(document_of(result_of(BEST, WORST, BROKEN, paths={"Q6_K": Path("a.gguf")})))
    best, worst, broken = document["options"]
    assert set(best["figures"]) == {"bytes", "need", "decode", "kl", "same_top"}
    assert best["figures"]["bytes"]["kind"] == "exact"
    assert best["figures"]["decode"]["kind"] == "interval"
    assert best["path"] == "a.gguf"
    assert worst["dominated_by"] == "Q6_K"
    assert broken["reason_missing"] == "killed by the system"
    assert document["advice"]["take"] == "Q6_K"


def test_the_flat_form_has_a_line_for_each_figure() -> None:
    text = text_of(result_of(BEST, WORST), "csv")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 10
    assert {row["metric"] for row in rows} <= set(CRITERIA)
    (size,) = [it for it in rows if (it["quantization"], it["metric"]) == ("Q5_1", "bytes")]
    assert (size["value"], size["low"], size["kind"]) == ("70000000.0", "70000000.0", "exact")
    assert (size["model"], size["dominated_by"]) == ("model", "Q6_K")


# ------------------------------------------------------------------ the command on stored results


def store(folder: Path, *files: ModelFile) -> None:
    """An experiment of these files on this machine, of eight rounds."""
    experiment = make_experiment(models=files, machine=probe_machine())
    rng = random.Random(1)
    with ExperimentWriter(folder, experiment) as writer:
        for index in range(8):
            for place, file in enumerate(files):
                rate = 60.0 * (1 + place) * rng.uniform(0.99, 1.01)
                rates = {"tg128": rate, "pp512": 1000.0}
                writer.append_run(make_run(index, model=file.key, round=index, rates=rates))


def test_a_file_and_its_quantization_set_are_found_with_their_stored_speeds(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    source = write_small(tmp_path / "mine.gguf", general__file_type=1)
    keys = {
        SOURCE_SHA256.replace(".", "__"): sha256_of(source),
        REQUANTIZED_FROM.replace(".", "__"): "Q4_1",
    }
    made = write_small(folder / "mine-Q4_K_M.gguf", 4, general__file_type=15, **keys)
    write_small(folder / "anothers.gguf", n_rows=6)
    files = [describe(path, path.name, None, sha256_of(path)) for path in (source, made)]
    store(tmp_path / "results", *files)
    arguments = [str(source), "--dir", str(folder), "--results", str(tmp_path / "results")]
    runner = CliRunner()
    result = runner.invoke(command, [*arguments, "--json"])
    assert result.exception is None, result.exception
    document = json.loads(result.stdout)
    assert [it["name"] for it in document["options"]] == ["F16", "Q4_K_M+"]
    assert [it["requantized_from"] for it in document["options"]] == [None, "Q4_1"]
    assert [it["path"] for it in document["options"]] == [str(source), str(made)]
    rates = [it["figures"]["decode"] for it in document["options"]]
    assert [round(it["value"] / 60) for it in rates] == [1, 2]
    assert {it["kind"] for it in rates} == {"interval"}
    assert document["advice"]["take"] is None
    assert "nothing is known of their quality" in document["advice"]["text"]
    text = runner.invoke(command, arguments).stdout
    assert "threads 2, llama-cpp-python 0.3.36, 8 Runs each, in common rounds." in text
    flat = runner.invoke(command, [*arguments, "--format", "csv"]).stdout.splitlines()
    assert flat[0] == "model,quantization,metric,value,low,high,n,unit,kind,dominated_by"
    assert len(flat) == 1 + 2 * 4


def test_rows_of_two_models_are_told_apart_however_long_their_names(tmp_path: Path) -> None:
    stem = "some-lab-model-of-a-long-name-30b-a3b-instruct-2507"
    paths = [
        write_small(tmp_path / f"{stem}-{name}.gguf", n_rows=rows, general__file_type=kind)
        for name, rows, kind in (("first", 4, 7), ("second", 5, 2))
    ]
    results = tmp_path / "results"
    store(results, *(describe(path, path.name, None, sha256_of(path)) for path in paths))
    text = CliRunner().invoke(command, [*map(str, paths), "--results", str(results)]).stdout
    lines = text.splitlines()
    for path in paths:
        assert lines.count(path.name) == 1, text
    assert max(map(len, lines)) <= 80


def test_stored_speeds_and_distances_decide_what_to_take(tmp_path: Path) -> None:
    results = tmp_path / "results"
    paths = [
        write_small(tmp_path / f"mine-{name}.gguf", general__file_type=kind, general__name="x" * n)
        for name, n, kind in (("F16", 700, 1), ("Q8_0", 600, 7), ("Q4_0", 500, 2))
    ]
    files = [describe(path, path.name, None, sha256_of(path)) for path in paths]
    store(results, *files)
    for file, noise in zip(files[1:], (0.02, 0.8), strict=True):
        chunks, _ = make_chunks(np.random.default_rng(1), 12, noise=noise)
        record = make_record(chunks, identity=file.quantization)
        save_quality(results, record.model_copy(update={"model": file, "reference": files[0]}))
    text = CliRunner().invoke(command, [*map(str, paths), "--results", str(results)]).stdout
    assert text.startswith("Take Q8_0: "), text
    assert "Q4_0 is faster" in text.replace("\n", " ")
    assert max(map(len, text.splitlines())) <= 80


def test_a_model_of_which_nothing_is_here_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    result = CliRunner().invoke(command, ["smollm2-135m", "--results", str(tmp_path)])
    assert "no file of smollm2-135m is here" in str(result.exception)
