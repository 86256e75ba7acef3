"""`fit`, and what `run` predicts for its audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.busy import load
from cli.commandline import QUICK, Home

OFFLINE = {"HF_HUB_OFFLINE": "1"}


def test_fit_tells_memory_for_each_context_within_80_columns(home: Home) -> None:
    done = home.harness("fit", "tiny-random", **OFFLINE)

    assert (done.exit_code, done.stderr) == (0, "\nWhat the figures are: --explain\n")
    answer, facts, *_ = done.stdout.split("\n\n")
    assert answer.startswith("tiny-random:Q8_0 fits into what is free now with 4096 positions")
    assert facts.startswith("tiny-random:Q8_0 · llama · ")
    lines = done.stdout.splitlines()
    assert "Header of the file here." in lines
    assert [line.split()[0] for line in lines if line.endswith("yes")] == ["4096", "8192"]
    assert "free now of" in done.stdout
    assert max(map(len, lines)) <= 80


def test_fit_plans_a_model_that_is_not_here_from_its_shape(home: Home) -> None:
    done = home.harness("fit", "gpt-oss-20b", "-c", "4096,131072", **OFFLINE)

    assert done.exit_code == 0, done.stderr
    assert "Header made from the catalogue's shape." in done.stdout
    # 12 of its 24 layers see everything: 8 heads of 64 halves, key and value, at each position.
    assert " 96.0 MiB " in done.stdout
    assert " 3.00 GiB " in done.stdout
    assert " sliding " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_fit_as_json_is_one_document(home: Home) -> None:
    done = home.harness(
        "fit", "tiny-random", "--json", "-c", "512,9000", "-ctk", "f16,q8_0", **OFFLINE
    )

    assert (done.exit_code, done.stderr) == (0, "")
    document = done.document
    assert set(document) == {
        "schema",
        "machine",
        "memory",
        "models",
        "failures",
        "bandwidth",
        "notes",
    }
    assert document["bandwidth"]["best"]["bytes_per_s"] == 20 * 10**9
    assert document["notes"] == []
    (model,) = document["models"]
    reasons = {each["reason"] for each in model["speeds"]}
    assert any("the memory gave 20.0 GB/s on 2026-11-24;" in each for each in reasons)
    assert model["header"]["origin"] == "local"
    assert model["weights_bytes"] == sum(model["weights_by_device"].values()) == 1_015_360
    told = {(each["n_ctx"], each["type_k"]): each for each in model["contexts"]}
    assert set(told) == {(512, "f16"), (9000, "f16"), (512, "q8_0"), (9000, "q8_0")}
    small = told[512, "f16"]
    # 4 layers, 2 heads of 64 halves for keys and as many for values.
    assert small["kv_bytes"] == 512 * 4 * 2 * 2 * 64 * 2
    parts = ("kv_bytes", "kv_sliding_bytes", "recurrent_bytes", "compute_bytes")
    assert small["total_bytes"] == model["weights_bytes"] + sum(small[part] for part in parts)
    assert sum(small["by_device"].values()) == small["total_bytes"]
    assert told[512, "q8_0"]["kv_bytes"] < small["kv_bytes"]
    refused = told[9000, "f16"]
    assert (refused["fits"], refused["reason"]) == (None, "context-too-large")
    assert [each["n_ctx"] for each in model["largest"]] == [8192, 8192]


@pytest.mark.slow
def test_fit_says_what_the_load_of_the_minute_leaves_open(home: Home, tmp_path: Path) -> None:
    with load(4, 1000, 1000):
        done = home.harness(
            "fit", "gpt-oss-20b", "--json", "-c", "512", HARNESS_CACHE=str(tmp_path), **OFFLINE
        )
    document = done.document
    (note,) = document["notes"]
    assert "never been read while nobody else used this machine" in note
    assert note in done.stderr
    assert document["bandwidth"]["quiet"] is None
    assert document["bandwidth"]["best"]["others_ratio"] > 0.05
    (kept,) = (tmp_path / "bandwidths").iterdir()
    assert json.loads(kept.read_text())["best"] == document["bandwidth"]["best"]


def test_a_model_that_fails_is_a_row_and_the_others_are_told(home: Home, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(10))
    done = home.harness("fit", "nosuch-model", "tiny-random", damaged, "-c", "512", **OFFLINE)

    assert done.exit_code == 1
    assert "tiny-random:Q8_0 · llama" in done.stdout
    rows = done.stdout.splitlines()[-3:]
    assert rows[0].startswith("nosuch-model: no model is called 'nosuch-model'")
    assert rows[-1].startswith(f"{damaged}: ")
    assert "Traceback" not in done.stderr


def test_a_repository_that_cannot_be_asked_is_a_failure_in_the_document(home: Home) -> None:
    done = home.harness("fit", "owner/repo:Q4_K_M", "--json", **OFFLINE)

    assert done.exit_code == 1
    (failure,) = done.document["failures"]
    assert failure["model"] == "owner/repo:Q4_K_M"
    assert "HF_HUB_OFFLINE" in failure["message"]
    assert done.document["models"] == []


@pytest.mark.parametrize(
    "arguments",
    [(), ("--all", "tiny-random"), ("--audit", "tiny-random"), ("--audit", "--all")],
)
def test_what_to_fit_must_be_said_one_way(home: Home, arguments: tuple[str, ...]) -> None:
    done = home.harness("fit", *arguments)

    assert done.exit_code == 2
    assert done.error()


def test_what_an_audit_does_not_use_is_named_as_it_is_typed(home: Home) -> None:
    for typed, name in (("tiny-random", "MODELS"), ("--offline", "--offline")):
        error = home.harness("fit", "--audit", typed).error()
        assert error.startswith(f"{name} has no effect on --audit")


@pytest.mark.slow
def test_a_run_keeps_what_was_predicted_and_the_audit_judges_it(home: Home) -> None:
    measured = home.harness("run", "tiny-random", *QUICK, "--threads", "1,2", "-q")
    assert measured.exit_code == 0, measured.stderr
    (experiment, *_) = home.lines()
    assert {each["component"] for each in experiment["predictions"]} >= {
        "weights_bytes",
        "kv_bytes",
        "compute_bytes",
        "total_bytes",
    }
    assert {each["settings_index"] for each in experiment["predictions"]} == {0, 1}
    (model,) = experiment["plan"]["models"]
    assert experiment["works"][model["key"]]["n_blocks"] == model["n_layer"]

    done = home.harness("fit", "--audit")
    assert (done.exit_code, done.stderr) == (0, "")
    rows = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    for label in ("weights", "KV cache", "compute", "total"):
        assert rows[label].endswith("100.0 %")
    document = home.harness("fit", "--audit", "--json").document
    assert {each["label"]: each["n"] for each in document["audit"]}["total"] == 2
    assert all(pair["is_covered"] for pair in document["pairs"])


def test_an_audit_of_nothing_says_so(home: Home) -> None:
    done = home.harness("fit", "--audit")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("No experiment here holds predictions")


def test_an_audit_names_a_file_that_cannot_be_read(home: Home) -> None:
    home.results.mkdir()
    (home.results / "broken.jsonl").write_text(json.dumps({"kind": "other"}))
    done = home.harness("fit", "--audit")

    assert done.exit_code == 1
    assert "broken.jsonl is not an experiment file" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_entry_with_a_shape_is_fitted_offline(home: Home) -> None:
    # Half a second each, more for hybrids: their states the engine allocates even when it plans.
    done = home.harness("fit", "--all", **OFFLINE)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "gpt-oss-120b:MXFP4" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_page_of_a_file_is_as_good_as_one_of_the_catalogue(home: Home) -> None:
    path = next((home.cache / "models").glob("tiny-random*.gguf"))
    done = home.harness("models", path)

    assert (done.exit_code, done.stderr) == (0, "")
    assert "Architecture    llama" in done.stdout
    assert "Read per token  980 kB of weights" in done.stdout
    document = home.harness("models", path, "--json").document
    assert document["header"]["origin"] == "local"
    assert document["file"]["n_layer"] == 4


def test_a_repository_without_a_hub_has_no_page(home: Home) -> None:
    done = home.harness("models", "owner/repo:Q4_K_M", **OFFLINE)

    assert done.exit_code == 1
    assert "HF_HUB_OFFLINE" in done.error()
