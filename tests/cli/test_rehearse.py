"""Twins from the command line: measured like models, and called what they are."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO

import pytest

from cli.commandline import ONE_THREAD, QUICK, Done, Home
from harness.records.store import load

_CATALOG = """\
schema: 1
models:
  - name: small-mixture
    lab: nobody
    country: null
    licence: MIT
    architecture: gpt-oss
    kind: moe
    shape: {n_layer: 2, n_embd: 256, n_head: 4, n_head_kv: 2, head_dim: 64, swa: 64,
      swa_pattern: "1:1", n_ff_exp: 256, n_expert: 16, n_expert_used: 4, n_vocab: 512,
      tied_embeddings: false}
    variants:
      - quantization: MXFP4
        source: {kind: hub, repo: nobody/nothing}
      - quantization: UD-Q4_K_XL
        source: {kind: hub, repo: nobody/nothing}
  - name: far-too-large
    lab: nobody
    country: null
    licence: MIT
    architecture: llama
    shape: {n_layer: 400, n_embd: 65536, n_head: 512, n_head_kv: 512, head_dim: 128,
      n_ff: 262144, n_vocab: 262144, tied_embeddings: false}
    variants:
      - quantization: F16
        source: {kind: hub, repo: nobody/nothing}
"""


@dataclass(frozen=True)
class Rehearsed:
    home: Home
    done: Done


@pytest.fixture(scope="module")
def rehearsed(new_home: Callable[[], Home]) -> Rehearsed:
    home = new_home()
    arguments = ("--runs", "1", "--trials", "1", "-w", "pp16,tg8,chat", *ONE_THREAD)
    return Rehearsed(home, home.harness("rehearse", "tiny-random", *arguments))


def _shape_only(home: Home, name: str, *arguments: str) -> Done:
    (home.folder / "mine.yaml").write_text(_CATALOG)
    return home.harness(
        "rehearse", name, "--offline", "--catalog", "mine.yaml", "--dir", "twins", *arguments
    )


def test_a_twin_is_measured_like_a_model_and_called_rehearsed(rehearsed: Rehearsed) -> None:
    done = rehearsed.done
    assert done.exit_code == 0, done.stderr
    heading = done.stdout.splitlines()[0]
    assert heading.startswith("tiny-random:Q8_0 · Q8_0 · 1.02 MB · rehearsed · threads ")
    for workload in ("pp16", "tg8", "chat"):
        assert f"\n{workload} " in done.stdout
    assert "rehearsed with random weights" in done.stderr.replace("\n", " ")


def test_nothing_is_left_of_the_twin(rehearsed: Rehearsed) -> None:
    assert not list(rehearsed.home.cache.glob("twins/*"))


def test_the_record_and_everything_shown_of_it_say_so(rehearsed: Rehearsed) -> None:
    home = rehearsed.home
    stored = load(home.record())
    assert [file.is_twin for file in stored.experiment.plan.models] == [True]
    document = home.harness("show", "latest", "--json").document
    assert {case["rehearsed"] for case in document["cases"]} == {True}
    rows = list(csv.DictReader(StringIO(home.harness("show", "latest", "--format", "csv").stdout)))
    assert {row["evidence"] for row in rows} == {"rehearsed"}
    assert "rehearsed" in home.harness("show", "latest", "--format", "github").stdout


@pytest.mark.slow
def test_a_kept_twin_lies_where_it_was_asked_for_and_is_a_model_like_any(home: Home) -> None:
    done = home.harness("rehearse", "tiny-random", *QUICK, "--keep", "--dir", "twins")
    assert done.exit_code == 0, done.stderr
    files = [path for path in (home.folder / "twins").rglob("*") if path.is_file()]
    assert [path.stat().st_size for path in files] == [1_024_768]
    again = home.harness("run", str(files[0]), *QUICK, "--json")
    assert {case["rehearsed"] for case in again.document["cases"]} == {False}


@pytest.mark.slow
def test_a_model_is_rehearsed_from_its_shape_alone(home: Home) -> None:
    done = _shape_only(home, "small-mixture", "-w", "pp16,chat", "--runs", "1", *ONE_THREAD)
    assert done.exit_code == 0, done.stderr
    assert "header from the catalogue's shape" in done.stderr
    assert "no tokenizer; chat runs on random tokens" in done.stderr
    assert "chat ran on 250 random tokens: the model has no tokenizer" in done.stderr
    trial = next(
        trial
        for run in load(home.record()).runs
        for trial in run.trials
        if trial.workload == "chat"
    )
    assert trial.n_prompt == 250
    assert trial.tokenize_ns is None
    assert trial.ttft_ns is not None
    assert list((home.folder / "twins").iterdir()) == []


@pytest.mark.slow
def test_a_stand_in_for_an_unpublished_mix_is_told(home: Home) -> None:
    done = _shape_only(home, "small-mixture:ud-q4_k_xl", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert "nobody published which types UD-Q4_K_XL gives" in done.stderr


def test_what_cannot_fit_into_memory_is_refused_before_writing(home: Home) -> None:
    done = _shape_only(home, "far-too-large", *QUICK)
    assert done.exit_code == 1
    assert done.error().startswith("far-too-large:F16 has ")
    assert "--force" in done.error()
    assert not (home.folder / "twins").exists()


def test_a_twin_without_room_on_the_disk_is_refused_before_writing(home: Home) -> None:
    done = _shape_only(home, "far-too-large", *QUICK, "--force")
    assert done.exit_code == 1
    assert "the twin of far-too-large:F16 needs " in done.stderr
    assert "set --dir to a folder on a larger disk" in done.stderr
    assert [path for path in (home.folder / "twins").rglob("*") if path.is_file()] == []


def test_a_model_without_shape_and_header_says_what_is_missing(home: Home) -> None:
    done = home.harness("rehearse", "glm-5.3-flash", "--offline", *QUICK)
    assert done.exit_code == 1
    assert "neither a header nor a shape" in done.error()


def test_an_architecture_that_cannot_be_laid_out_is_refused_by_name(home: Home) -> None:
    done = home.harness("rehearse", "kimi-k3", "--offline", *QUICK)
    assert done.exit_code == 1
    assert "kimi-k3" in done.error()


@pytest.mark.slow
def test_an_interrupted_rehearsal_leaves_no_twin(home: Home) -> None:
    arguments = ("-w", "sustain60", "--trials", "1", "--runs", "9", *ONE_THREAD)
    with home.started("rehearse", "tiny-random", "--dir", "twins", *arguments) as started:
        started.worker_of_run(1)
        twins = home.folder / "twins"
        assert [path.stat().st_size for path in twins.rglob("*.gguf")] == [1_024_768]
        started.interrupt()
        done = started.done()
    assert done.exit_code == 130
    assert [path for path in twins.rglob("*") if path.is_file()] == []


def test_rehearse_asks_for_a_model(home: Home) -> None:
    done = home.harness("rehearse")
    assert done.exit_code == 2
    assert "Missing argument" in done.error()
