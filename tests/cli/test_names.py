"""Every command that takes a model takes each form of name, and calls the model the same."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from cli.commandline import ONE_THREAD, Done, Home
from cli.prepared import CAN_FORK
from harness import cli

HEX = "0123456789abcdef" * 4
# A form of name to what a model so named is called.
NAMES = {
    "tiny-random": "tiny-random:Q8_0",
    "tiny-random:q4_0": "tiny-random:Q4_0",
    "own.gguf": "own.gguf",
    "tiny": "tiny:latest",
    "lab/Tiny-GGUF/Tiny-Q8_0.gguf": "lab/Tiny-GGUF/Tiny-Q8_0.gguf",
}
# What it takes to have an answer soon, and whether several models can be named at once.
MEASURED = ("--runs", "1", "--trials", "1", "-w", "tg2", *ONE_THREAD, "--wait", "5m")
COMMANDS: dict[str, tuple[tuple[str, ...], bool]] = {
    "fit": (("--offline", "-c", "256"), True),
    "pull": (("--list",), True),
    "models": ((), False),
    "quantize": (("--list", "--to", "Q2_K"), False),
    "frontier": ((), False),
    "run": (MEASURED, True),
    "compare": (MEASURED, True),
    "rehearse": ((*MEASURED, "--offline"), True),
    "quality": (("--text", "text.txt", "--chunks", "2", "-c", "64", *ONE_THREAD), True),
}
QUICK = ("pull", "models")
# Commands whose arguments are no models: `cache rm` has a test of its own.
OTHERS = {"cache", "machine", "show", "claim", "gate", "baseline", "export", "import"}
OTHERS |= {"report", "share", "config", "completion", "endpoints", "rpc", "fleet"}


@dataclass(frozen=True)
class Stocked:
    """A home in which the same weights lie in each place, as files that differ."""

    home: Home

    def harness(self, *arguments: str) -> Done:
        return self.home.harness(*arguments, HOME=str(self.home.folder))


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Stocked:
    own_cache = tmp_path_factory.mktemp("stocked") / "cache"
    shutil.copytree(cache, own_cache)
    home = Home(tmp_path_factory.mktemp("home"), own_cache)
    weights = (own_cache / "models" / "tiny-random-Q8_0.gguf").read_bytes()

    def put(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(weights)

    put(home.folder / "own.gguf")
    put(home.folder / ".lmstudio/models/lab/Tiny-GGUF/Tiny-Q8_0.gguf")
    store = home.folder / ".ollama/models"
    put(store / "blobs" / f"sha256-{HEX}")
    manifest = store / "manifests/registry.ollama.ai/library/tiny/latest"
    manifest.parent.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{HEX}"}
    manifest.write_text(json.dumps({"layers": [layer]}))
    (home.folder / "text.txt").write_text("What is said here is said once more. " * 60)
    stocked = Stocked(home)
    made = stocked.harness("quantize", "tiny-random", "--to", "Q4_0", "--wait", "5m")
    assert made.exit_code == 0, made.stderr
    assert "\ntiny-random:Q4_0  " in made.stdout
    return stocked


def asked(command: str, stocked: Stocked) -> list[Done]:
    options, takes_several = COMMANDS[command]
    named = [tuple(NAMES)] if takes_several else [(name,) for name in NAMES]
    return [stocked.harness(command, *names, *options, "--json") for names in named]


def test_no_command_that_takes_models_is_left_out() -> None:
    context = click.Context(cli.group)
    assert {*COMMANDS, *OTHERS} == set(cli.group.list_commands(context))


@pytest.mark.parametrize(
    "command",
    [*QUICK, *(pytest.param(it, marks=pytest.mark.slow) for it in COMMANDS if it not in QUICK)],
)
def test_every_form_of_name_is_taken(command: str, stocked: Stocked) -> None:
    answers = asked(command, stocked)
    for done in answers:
        assert done.exit_code == 0, done.stderr
    said = "".join(done.stdout for done in answers)
    for name, key in NAMES.items():
        # These two call a model of the catalogue by its name, and its quantization beside that.
        is_short = command in ("models", "frontier") and f'"{name}"' in said
        assert f'"{key}"' in said or is_short, (name, said)


def test_a_file_is_removed_by_the_name_it_has_everywhere(stocked: Stocked) -> None:
    for name in ("tiny-random", "tiny-random:q4_0"):
        done = stocked.harness("cache", "rm", name)
        assert f"{NAMES[name]}  " in done.stderr  # it asks, and nobody answers
    for name in ("own.gguf", "tiny", "lab/Tiny-GGUF/Tiny-Q8_0.gguf"):
        done = stocked.harness("cache", "rm", name, "--yes")
        assert done.exit_code == 1
        assert "remove it there" in done.error()


@pytest.mark.slow
def test_pages_show_names_and_no_digests(stocked: Stocked) -> None:
    done = stocked.harness("run", "tiny", *MEASURED)
    assert "\n\ntiny:latest · " in done.stdout
    assert HEX not in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not CAN_FORK, reason="the command's own streams would have the encoding too")
@pytest.mark.parametrize(
    "encoding",
    [
        "cp932",
        *(pytest.param(it, marks=pytest.mark.slow) for it in ("latin-1", "utf-16")),
    ],
)
def test_a_name_beyond_ascii_is_measured_under_any_code_page(
    home: Home, tiny_model: Path, encoding: str
) -> None:
    shutil.copy(tiny_model, home.folder / "mö-模型.gguf")
    done = home.harness("run", "./mö-模型.gguf", *MEASURED, "--json", PYTHONIOENCODING=encoding)
    assert done.exit_code == 0, done.stderr
    assert [case["model"] for case in done.document["cases"]] == ["mö-模型.gguf"]
