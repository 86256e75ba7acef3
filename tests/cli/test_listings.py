"""`machine`, `models` and `pull`."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from make.gate import make_candidate, put
from make.records import make_end, make_failed_run

from cli.commandline import Home
from harness.models.catalog.catalog import WheelSource, load_catalog
from harness.records.store import ExperimentWriter
from harness.schema.experiment import End


def test_models_lists_the_catalogue_within_80_columns(home: Home) -> None:
    done = home.harness("models")

    assert (done.exit_code, "Traceback" in done.stderr) == (0, False)
    for spec in load_catalog().models:
        assert f"\n{spec.name}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_models_tells_what_is_here(home: Home, tmp_path: Path) -> None:
    here = home.harness("models")
    elsewhere = home.harness("models", HARNESS_CACHE=str(tmp_path))

    is_changed = [
        name.split()[0]
        for name, other in zip(here.stdout.splitlines(), elsewhere.stdout.splitlines(), strict=True)
        if name != other
    ]
    assert [name.partition(":")[0] for name in is_changed] == ["tiny-random"]


def test_models_as_json_is_one_document_with_the_whole_catalogue(home: Home) -> None:
    done = home.harness("models", "--json")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.document["schema"] == 2
    models = done.document["models"]
    assert len(models) >= len(load_catalog().models)
    assert models[0]["licence"] == "Apache-2.0"
    assert models[0]["n_params_active"] == models[0]["n_params"] == 134_515_008


def test_a_model_of_the_catalogue_ends_with_what_to_do_with_it(home: Home) -> None:
    away, here = (home.harness("models", name) for name in ("qwen3-4b", "tiny-random"))

    said = " ".join(away.stderr.split())
    assert "`harness fit qwen3-4b:Q4_K_M` tells whether it runs here" in said
    assert "`harness pull qwen3-4b:Q4_K_M` fetches it." in said
    assert here.stderr == "\nNext: `harness run tiny-random:Q8_0` measures it.\n"
    assert home.harness("models", "qwen3-4b", "-q").stderr == ""


@pytest.mark.slow
def test_machine_describes_this_machine_within_80_columns(home: Home, tmp_path: Path) -> None:
    # In a cache of its own: a bandwidth that is known already may have changed since, which is
    # said.
    done = home.harness("machine", HARNESS_CACHE=str(tmp_path))

    assert (done.exit_code, done.stderr) == (0, "")
    assert "memory" in done.stdout.lower()
    assert "GB/s" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_machine_as_json_holds_the_hardware_and_never_the_name_of_host_or_user(
    home: Home, tmp_path: Path
) -> None:
    identity = {"USER": "someone-here", "LOGNAME": "someone-here"}
    done = home.harness("machine", "--json", HARNESS_CACHE=str(tmp_path), **identity)

    assert (done.exit_code, done.stderr) == (0, "")
    document = done.document
    assert set(document) == {
        "schema", "machine", "conditions", "bandwidth", "engine", "default_threads", "calibration",
        "stale", "energy", "known_bandwidth", "notes",
    }  # fmt: skip
    assert document["calibration"] is None
    assert document["machine"]["n_cores_logical"] >= document["default_threads"] >= 1
    assert document["bandwidth"]["median_bytes_per_s"] > 1e8
    assert document["engine"]["binding_version"] == version("llama-cpp-python")
    assert "someone-here" not in done.stdout


def test_pull_says_where_the_model_lies_and_does_nothing_the_second_time(
    home: Home, tmp_path: Path
) -> None:
    first = home.harness("pull", "tiny-random", HARNESS_CACHE=str(tmp_path))
    (path,) = (tmp_path / "models").glob("*.gguf")
    written_ns = path.stat().st_mtime_ns
    second = home.harness("pull", "tiny-random", HARNESS_CACHE=str(tmp_path))

    assert first.exit_code == second.exit_code == 0
    assert first.stdout == second.stdout == f"tiny-random:Q8_0  1.02 MB  {path}\n"
    assert "generating" in first.stderr
    next_step = "\nNext: `harness run tiny-random:Q8_0` measures what is here now.\n"
    assert first.stderr.endswith(next_step)
    assert second.stderr == next_step
    assert path.stat().st_mtime_ns == written_ns


def test_pull_as_json_is_one_document_and_quiet_is_quiet(home: Home, tmp_path: Path) -> None:
    done = home.harness("pull", "-q", "--json", "tiny-random", HARNESS_CACHE=str(tmp_path))

    assert (done.exit_code, done.stderr) == (0, "")
    (model,) = done.document["models"]
    assert model["model"] == "tiny-random:Q8_0"
    assert Path(model["path"]).is_relative_to(tmp_path)


def test_pull_of_a_damaged_copy_brings_it_again(home: Home, tmp_path: Path) -> None:
    home.harness("pull", "tiny-random", HARNESS_CACHE=str(tmp_path))
    (path,) = (tmp_path / "models").glob("*.gguf")
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    assert home.harness("pull", "tiny-random", HARNESS_CACHE=str(tmp_path)).exit_code == 0
    assert path.read_bytes() == good


def test_pull_goes_on_after_a_model_that_fails_and_says_which(home: Home, tmp_path: Path) -> None:
    cache = {"HARNESS_CACHE": str(tmp_path / "c")}
    done = home.harness("pull", "tiny-randon", "tiny-random", **cache)

    assert done.exit_code == 1
    assert "Warning: tiny-randon: no model is called 'tiny-randon'" in done.stderr
    assert "tiny-random:Q8_0  1.02 MB" in done.stdout
    assert done.stdout.endswith("Failed: tiny-randon\n")
    listed = home.harness("pull", "--list", "tiny-randon", "tiny-random", "--json", **cache)
    assert listed.exit_code == 1
    assert [each["model"] for each in listed.document["failures"]] == ["tiny-randon"]
    assert [each["model"] for each in listed.document["models"]] == ["tiny-random:Q8_0"]


def test_pull_of_one_unknown_model_is_an_error(home: Home, tmp_path: Path) -> None:
    done = home.harness("pull", "tiny-randon", HARNESS_CACHE=str(tmp_path / "c"))

    assert done.exit_code == 1
    assert "tiny-randon" in done.error()


def test_a_cache_that_cannot_be_written_is_named(home: Home) -> None:
    (home.folder / "file").touch()
    done = home.harness("pull", "-q", "tiny-random", HARNESS_CACHE=str(home.folder / "file" / "c"))

    assert done.exit_code == 1
    assert str(home.folder / "file") in done.error()
    assert "HARNESS_CACHE" in done.error()


def test_without_a_model_the_first_of_the_catalogue_is_measured(home: Home, tmp_path: Path) -> None:
    # It would have to be fetched, which cannot work here: what it says names what it tried.
    source = load_catalog().models[0].variants[0].source
    assert isinstance(source, WheelSource)
    done = home.harness(
        "run", "-q", HARNESS_CACHE=str(tmp_path), PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null"
    )

    assert done.exit_code == 1
    assert source.package in done.error()
    assert not home.results.exists()


def test_that_nothing_is_stored_is_told_without_what_reads_figures(home: Home) -> None:
    code = (
        "import sys; from harness import cli\n"
        "sys.argv = ['harness', 'show']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(*sorted(name for name in sys.modules if 'analysis' in name or name == 'numpy'))"
    )
    environment = home.environment(PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=home.folder, env=environment,
    )  # fmt: skip
    assert "No experiments in results yet" in done.stderr
    assert done.stdout == "\n"


def test_show_tells_a_failed_experiment_and_passes_it_over_as_the_latest(home: Home) -> None:
    put(home.results, make_candidate("good01", day=1))
    failed = make_candidate("dead01", day=2)
    stop = make_end(1).stops[0].model_copy(update={"reason": "failed"})
    with ExperimentWriter(home.results, failed) as writer:
        writer.append_run(make_failed_run())
        writer.finish(End(finished_at=failed.started_at, stops=(stop,)))

    rows = home.harness("show").stdout.splitlines()
    assert [row.endswith("failed") for row in rows if "01 " in row] == [False, True]
    listed = home.harness("show", "--json").document["experiments"]
    assert [each["has_failed"] for each in listed] == [False, True]
    latest = home.harness("show", "latest", "--json")
    assert latest.document["experiment"] == "good01"
    assert "`harness show dead01` tells why" in latest.stderr
    saved = home.harness("baseline", "save", "main", "--json").document["baseline"]
    assert saved["experiment"] == "good01"
