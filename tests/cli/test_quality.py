"""`harness quality` as its user meets it."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from make.quality import TEXT, other_vocabulary, perturbed, without_numbers

from cli.commandline import Done, Home, wait_until, workers

QUICK = ("--threads", "1", "--ctx", "64", "--chunks", "3", "--text", "bees.txt")


@dataclass(frozen=True)
class Desk:
    """A home with models and a text in it."""

    home: Home

    def quality(self, *arguments: str) -> Done:
        return self.home.harness("quality", *arguments, *QUICK)

    def records(self) -> list[dict[str, Any]]:
        paths = sorted((self.home.results / "quality").iterdir())
        return [json.loads(path.read_text("utf-8")) for path in paths]


@pytest.fixture(scope="module")
def desk(new_home: Callable[[], Home], tiny_model: Path) -> Desk:
    home = new_home()
    (home.folder / "bees.txt").write_text(TEXT)
    (home.folder / "fine.gguf").write_bytes(tiny_model.read_bytes())
    perturbed(tiny_model, home.folder / "coarse.gguf", 0x03)
    perturbed(tiny_model, home.folder / "coarser.gguf", 0x0F)
    other_vocabulary(tiny_model, home.folder / "other.gguf")
    without_numbers(tiny_model, home.folder / "nan.gguf")
    return Desk(home)


@pytest.fixture(scope="module")
def two(desk: Desk) -> Done:
    return desk.quality("./coarse.gguf", "./coarser.gguf", "--reference", "./fine.gguf", "--json")


def test_two_models_against_one_reference_are_one_document(desk: Desk, two: Done) -> None:
    assert two.exit_code == 0, two.stderr
    document = two.document
    assert document["text"]["name"] == "bees.txt"
    assert document["failures"] == []
    coarse, coarser = document["results"]
    for result in (coarse, coarser):
        assert result["reference"]["model"] == "fine.gguf"
        assert (result["n_chunks"], result["n_scored"], result["is_spilled"]) == (3, 93, False)
        figures = result["figures"]
        assert figures["mean_kld"]["low"] <= figures["mean_kld"]["value"]
        assert figures["mean_kld"]["unit"] == "nats"
        assert 0 < figures["same_top"]["value"] <= 1
        stored = json.loads((desk.home.folder / result["path"]).read_text("utf-8"))
        assert (stored["kind"], stored["id"]) == ("quality", result["quality"])
        assert stored["reference"]["sha256"] == result["reference"]["file"]["sha256"]
    kld = [result["figures"]["mean_kld"]["value"] for result in (coarse, coarser)]
    assert 0 < kld[0] < kld[1]
    assert "coarse.gguf against fine.gguf · 3 of 3 chunks" in two.stderr
    assert "Quality: at most 30m00s for each of 2 models, 1h00m in all (--budget)." in two.stderr


@pytest.mark.slow
def test_a_model_alone_has_a_perplexity(desk: Desk) -> None:
    done = desk.quality("./fine.gguf", "--format", "csv", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["model"], row["reference"], row["metric"]) == ("fine.gguf", "", "perplexity")
    assert float(row["low"]) < float(row["value"]) < float(row["high"])


@pytest.mark.slow
def test_the_table_fits_the_terminal_and_spilling_is_said(desk: Desk) -> None:
    done = desk.quality("./coarse.gguf", "--reference", "./fine.gguf", "--spill")
    assert done.exit_code == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "KL divergence, mean" in done.stdout
    assert "sha256" in done.stdout
    assert "half precision" in " ".join(done.stdout.split())
    assert "one after the other (--spill)" in done.stderr
    assert [path for path in desk.home.cache.iterdir() if path.name.startswith("tmp")] == []


@pytest.mark.slow
def test_another_vocabulary_is_refused_before_measuring(desk: Desk, two: Done) -> None:
    n_records = len(desk.records())
    done = desk.quality("./other.gguf", "--reference", "./fine.gguf", "-q")
    assert done.exit_code == 4
    assert "different vocabularies" in done.error()
    assert len(desk.records()) == n_records


@pytest.mark.slow
def test_logits_that_are_no_numbers_are_a_row_and_the_rest_goes_on(desk: Desk) -> None:
    done = desk.quality("./nan.gguf", "./coarse.gguf", "--reference", "./fine.gguf")
    assert done.exit_code == 1
    told = " ".join(done.stdout.split())
    assert "failed: the model gave logits that are no numbers" in told
    assert "0 of 3 chunks were complete" in told
    assert done.stdout.count("KL divergence, mean") == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("--spill",), 2, "--reference"),
        (("--text", "none.txt"), 2, "there is no file none.txt"),
        (("--text", "fine.gguf"), 2, "not UTF-8"),
        (("--ctx", "512"), 2, "takes 512"),
        (("--ctx", "100000"), 2, "trained for 8192"),
        (("--chunks", "0"), 2, "--chunks"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    desk: Desk, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    done = desk.home.harness("quality", "./fine.gguf", *QUICK, *arguments)
    assert done.exit_code == exit_code
    assert said in done.error()


@pytest.mark.slow
def test_ctrl_c_keeps_the_chunks_that_were_complete(desk: Desk, home: Home) -> None:
    (home.folder / "bees.txt").write_text(TEXT * 4000)
    model = str(desk.home.folder / "fine.gguf")
    arguments = ("--threads", "1", "--ctx", "64", "--text", "bees.txt", "--chunks", "100000")
    with home.started("quality", model, "--reference", model, "--spill", *arguments) as started:
        started.said("one after the other")
        started.said("scoring")
        wait_until(lambda: bool(workers(started.pid)), "the worker that scores")
        time.sleep(0.5)  # and until the harness listens to it
        started.interrupt()
        done = started.done()
    assert done.exit_code == 130, done.stderr
    assert "Traceback" not in done.stderr
    (path,) = (home.results / "quality").iterdir()
    assert json.loads(path.read_text("utf-8"))["outcome"]["reason"] == "interrupted"
    assert [it for it in home.cache.iterdir() if it.name.startswith("tmp")] == []
