"""Lists on the command line, several models, and when measuring stops."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from cli.commandline import ONE_THREAD, QUICK, Done, Home

MODELS = ("tiny-random:Q8_0", "copy.gguf")


@dataclass(frozen=True)
class Swept:
    home: Home
    done: Done


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return Path(shutil.copy(tiny_model, tmp_path_factory.mktemp("copy") / "copy.gguf"))


@pytest.fixture(scope="module")
def two_models(new_home: Callable[[], Home], copy: Path) -> Swept:
    home = new_home()
    arguments = (*QUICK, "--runs", "2", "--seed", "7")
    return Swept(home, home.harness("run", "tiny-random", copy, *arguments))


@pytest.mark.slow
def test_each_model_gets_a_block_of_its_own(two_models: Swept) -> None:
    assert two_models.done.exit_code == 0, two_models.done.stderr
    _, _, table, *_ = two_models.done.stdout.split("\n\n")
    rows = [line for line in table.splitlines() if line.startswith(MODELS)]
    assert [line.split()[0] for line in rows] == list(MODELS)
    full = two_models.home.harness("show", "latest", "--verbose").stdout
    titles = [line for line in full.splitlines() if " · threads " in line]
    assert [title.split(" · ")[0] for title in titles] == list(MODELS)


@pytest.mark.slow
def test_every_round_measures_each_of_them_once(two_models: Swept) -> None:
    runs = two_models.home.runs()
    assert [run["round"] for run in runs] == [0, 0, 1, 1]
    for number in (0, 1):
        assert {run["model"] for run in runs if run["round"] == number} == set(MODELS)


@pytest.mark.slow
def test_the_same_seed_repeats_order_and_tokens(two_models: Swept, home: Home, copy: Path) -> None:
    arguments = (*QUICK, "--seed", "7", "-q", "--format", "csv")
    done = home.harness("run", "tiny-random", copy, *arguments)

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("model,")
    before, again = two_models.home.runs()[:2], home.runs()
    assert [run["model"] for run in again] == [run["model"] for run in before]
    assert [run["seed"] for run in again] == [run["seed"] for run in before]


@pytest.mark.slow
def test_a_list_is_swept_and_settings_reach_the_engine(home: Home) -> None:
    arguments = (*QUICK, "-ctk", "f16,q8_0", "--load-mode", "none", "--repack", "off")
    done = home.harness("run", "tiny-random", *arguments, "--json")

    assert done.exit_code == 0, done.stderr
    cases = done.document["cases"]
    ways = [(c["settings"]["type_k"], c["settings"]["load_mode"]) for c in cases]
    assert sorted(ways) == [("f16", "none"), ("q8_0", "none")]
    assert {case["outcome"]["status"] for case in cases} == {"ok"}
    assert {case["settings"]["repack"] for case in cases} == {False}
    kv = {c["settings"]["type_k"]: c["metrics"]["kv"]["value"] for c in cases}
    assert kv["q8_0"] < kv["f16"]
    assert not any(map(_is_mapped, home.runs()))


@pytest.mark.slow
def test_ways_of_loading_are_swept_and_reach_the_engine(home: Home) -> None:
    arguments = (*QUICK, "-ctk", "f16,q8_0", "--load-mode", "none,mmap", "--repack", "off")
    done = home.harness("run", "tiny-random", *arguments, "--json")

    assert done.exit_code == 0, done.stderr
    settings = [case["settings"] for case in done.document["cases"]]
    ways = [(each["type_k"], each["load_mode"]) for each in settings]
    assert sorted(ways) == sorted(product(("f16", "q8_0"), ("none", "mmap")))
    is_mapped = {run["settings"]["load_mode"]: _is_mapped(run) for run in home.runs()}
    assert is_mapped == {"none": False, "mmap": True}


@pytest.mark.slow
def test_flash_attention_and_repacking_can_be_swept(home: Home) -> None:
    arguments = (*QUICK, "-fa", "on,off", "--repack", "on,off")
    done = home.harness("run", "tiny-random", *arguments, "--json")

    assert done.exit_code == 0, done.stderr
    settings = [case["settings"] for case in done.document["cases"]]
    ways = [(each["flash_attn"], each["repack"]) for each in settings]
    assert ways == list(product(("on", "off"), (True, False)))


@pytest.mark.slow
def test_a_spent_budget_still_finishes_one_run_and_says_so(home: Home) -> None:
    done = home.harness(
        "run", "tiny-random", "--budget", "0.1s", "-w", "tg8", *ONE_THREAD, "--json"
    )

    assert done.exit_code == 0, done.stderr
    (stop,) = done.document["stops"]
    assert (stop["reason"], stop["n_runs"]) == ("budget", 1)
    (case,) = done.document["cases"]
    assert case["n_runs"] == 1
    assert case["n_trials"] >= 1


@pytest.mark.slow
def test_measuring_stops_at_six_runs_when_they_are_precise_enough(home: Home) -> None:
    arguments = (*QUICK, "--runs", "40", "--trials", "3", "--precision", "99%")
    done = home.harness("run", "tiny-random", *arguments, "--json")

    assert done.exit_code == 0, done.stderr
    (stop,) = done.document["stops"]
    (case,) = done.document["cases"]
    assert stop["reason"] == "precise"
    # A Run all of whose trials were disturbed has no value, and one more is needed.
    assert stop["n_runs"] == 6 + case["n_runs_without_value"]
    figure = case["metrics"]["tok_per_s"]
    assert (figure["n"], figure["kind"]) == (6, "interval")


@pytest.mark.slow
def test_more_threads_than_cores_are_warned_of_and_measured(home: Home) -> None:
    too_many = (os.cpu_count() or 1) + 1
    done = home.harness("run", "tiny-random", *QUICK, "--threads", f"1,{too_many}", "--json")

    assert done.exit_code == 0
    assert f"Warning: {too_many} threads on " in done.stderr
    cases = done.document["cases"]
    assert [case["settings"]["n_threads"] for case in cases] == [1, too_many]
    assert [case["outcome"]["status"] for case in cases] == ["ok", "ok"]


def _is_mapped(run: dict[str, Any]) -> bool:
    return any("Mapped" in buffer["device"] for buffer in run["weights"])
