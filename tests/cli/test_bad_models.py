"""Models that are not there, or no models: one line, exit 1, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli import gguf_damage
from cli.commandline import ONE_THREAD, QUICK, Done, Home
from harness.errors import ModelInvalid
from harness.models.gguf.model_file import describe


@pytest.fixture(scope="session")
def good(tiny_model: Path) -> bytes:
    return tiny_model.read_bytes()


def refused(home: Home, *models: str | Path) -> str:
    """What `harness run` says when it refuses; it must leave nothing behind."""
    done = home.harness("run", *models, *QUICK)
    assert done.exit_code == 1, done
    assert not home.results.exists()
    return done.error()


def test_an_unknown_model_is_answered_with_the_nearest_names(home: Home) -> None:
    error = refused(home, "smolm2-135m")
    assert "smolm2-135m" in error
    assert "smollm2-135m" in error


def test_an_unknown_variant_is_answered_with_those_there_are(home: Home) -> None:
    error = refused(home, "tiny-random:Q9_K")
    assert "Q9_K" in error
    assert "Q8_0" in error


def test_a_missing_file_is_named(home: Home) -> None:
    assert "no file weights.gguf" in refused(home, "weights.gguf")


def test_a_missing_file_in_no_folder_is_told_as_a_file_of_the_hub_is_named(home: Home) -> None:
    error = refused(home, "owner/model-GGUF/sub/model-Q8_0.gguf")
    assert "there is no folder" in error
    assert "write owner/model-GGUF:sub/model-Q8_0.gguf for a file of the hub" in error
    assert "of the hub" not in refused(home, home.folder / "none" / "sub" / "model-Q8_0.gguf")
    (home.folder / "models").mkdir()
    assert "of the hub" not in refused(home, "models/none/model-Q8_0.gguf")


def test_a_folder_is_answered_with_the_models_in_it(home: Home, good: bytes) -> None:
    gguf_damage.write(home.folder, "this-one.gguf", good)
    assert "this-one.gguf" in refused(home, home.folder)


def test_an_empty_file_is_called_empty(home: Home) -> None:
    path = gguf_damage.write(home.folder, "empty.gguf", b"")
    assert "empty.gguf is empty" in refused(home, path)


def test_something_else_than_a_gguf_is_called_so(home: Home) -> None:
    path = gguf_damage.write(home.folder, "page.gguf", b"<!DOCTYPE html>" + b" " * 4096)
    error = refused(home, path)
    assert "page.gguf" in error
    assert "HTML" in error or "not a GGUF" in error


def test_a_truncated_model_is_refused_before_it_is_measured(home: Home, good: bytes) -> None:
    path = gguf_damage.write(home.folder, "half.gguf", good[: len(good) // 2])
    error = refused(home, path)
    assert "half.gguf" in error
    assert "download" in error


def test_a_header_cut_in_the_middle_is_refused(home: Home, good: bytes) -> None:
    path = gguf_damage.write(home.folder, "stub.gguf", good[:2000])
    assert "stub.gguf" in refused(home, path)


HUGE: dict[str, Callable[[bytes], bytes]] = {
    "2 ** 62 tensors": lambda good: gguf_damage.with_n_tensors(good, 2**62),
    "2 ** 62 keys": lambda good: gguf_damage.with_n_keys(good, 2**62),
    "a string of 4 GB": lambda good: gguf_damage.with_first_key_length(good, 2**32),
}


@pytest.mark.parametrize("claim", HUGE)
def test_a_header_that_claims_too_much_is_refused_without_believing_it(
    home: Home, good: bytes, claim: str
) -> None:
    path = gguf_damage.write(home.folder, "huge.gguf", HUGE[claim](good))
    assert "huge.gguf" in refused(home, path)


def test_a_bad_model_is_refused_before_a_good_one_is_measured(home: Home, good: bytes) -> None:
    path = gguf_damage.write(home.folder, "empty.gguf", b"")
    assert "empty.gguf" in refused(home, "tiny-random", path)


def test_two_files_of_the_same_name_must_be_told_apart(home: Home, good: bytes) -> None:
    paths = []
    for folder in ("a", "b"):
        (home.folder / folder).mkdir()
        paths.append(gguf_damage.write(home.folder / folder, "model.gguf", good))
    done = home.harness("run", *paths, *QUICK)
    assert done.exit_code == 2
    error = done.error()
    assert str(paths[0]) in error
    assert str(paths[1]) in error


@pytest.fixture(scope="module")
def mixed(new_home: Callable[[], Home], good: bytes) -> Done:
    """An unknown architecture, headers that are damaged but pass the check, and a good model."""
    home = new_home()
    alien = gguf_damage.with_architecture(good, b"alien")
    path = gguf_damage.write(home.folder, "alien.gguf", alien)
    doubtful = _flipped(home, good, range(12))
    assert doubtful, "choose other seeds: the header check caught them all"
    return home.harness("run", path, *doubtful, "tiny-random", *QUICK, "--json")


@pytest.mark.slow
def test_an_unknown_architecture_is_a_failed_row(mixed: Done) -> None:
    (case,) = (case for case in mixed.document["cases"] if case["model"] == "alien.gguf")

    assert mixed.exit_code == 1
    assert case["outcome"]["reason"] == "architecture-unknown"
    assert "alien" in case["outcome"]["message"]
    reasons = {stop["model"]: stop["reason"] for stop in mixed.document["stops"]}
    assert reasons["alien.gguf"] == "failed"


@pytest.mark.slow
def test_what_the_header_check_lets_pass_does_not_stop_the_models_after_it(mixed: Done) -> None:
    assert "Traceback" not in mixed.stderr
    outcomes = {case["model"]: case["outcome"] for case in mixed.document["cases"]}
    assert len(outcomes) >= 3
    assert outcomes["tiny-random:Q8_0"]["status"] == "ok"
    for outcome in outcomes.values():
        assert outcome["status"] == "ok" or outcome["message"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("decade", range(10))
def test_flipped_bits_in_the_header_never_end_in_a_traceback(
    home: Home, good: bytes, decade: int
) -> None:
    for seed in range(100 + decade * 4, 104 + decade * 4):
        data = gguf_damage.flipped(good, seed, gguf_damage.header_bytes(good))
        path = gguf_damage.write(home.folder, f"flipped-{seed}.gguf", data)
        done = home.harness(
            "run", path, "-w", "tg8,chat", "--runs", "2", "--trials", "1", *ONE_THREAD
        )

        assert done.exit_code in (0, 1), done
        assert "Traceback" not in done.stdout + done.stderr


def _flipped(home: Home, good: bytes, seeds: range) -> list[Path]:
    """Damaged models that the header check takes for good; at most two, each takes seconds."""
    found = []
    for seed in seeds:
        data = gguf_damage.flipped(good, seed, gguf_damage.header_bytes(good))
        path = gguf_damage.write(home.folder, f"flipped-{seed}.gguf", data)
        try:
            describe(path, path.name, None)
        except ModelInvalid:
            continue
        found.append(path)
    return found[:2]


@pytest.mark.parametrize("verb", ["models", "pull", "fit", "run", "show"])
def test_a_hub_with_an_address_that_is_none_is_named_before_anything_else(
    home: Home, verb: str
) -> None:
    done = home.harness(verb, "owner/model", HF_ENDPOINT="http://[")
    assert done.exit_code == 1
    assert done.error().startswith("HF_ENDPOINT is 'http://[', which is no address of a hub; ")
