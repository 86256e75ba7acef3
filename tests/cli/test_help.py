from __future__ import annotations

import gc
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from cli.commandline import Done, Home
from harness import __version__, cli
from tools import reference_options

VERBS = tuple(cli.group.list_commands(click.Context(cli.group)))
ANEW = ("run", "show", "cache")
"""Verbs of different floors, which stand for all of them where there is little time."""


def test_help_names_every_verb(home: Home) -> None:
    done = home.harness("--help")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: harness [OPTIONS] COMMAND")
    for verb in VERBS:
        assert done.stdout.count(f"\n  {verb} ") == 1


def test_help_lists_verbs_by_what_people_want_to_do(home: Home) -> None:
    _, *sections = re.split(r"^(?=\S.*:$)", home.harness("--help").stdout, flags=re.MULTILINE)
    verbs = {part.split(":")[0]: re.findall(r"^  (\w+) ", part, re.M) for part in sections}

    assert [*verbs] == [
        "Options",
        "Before a download",
        "Fetch and measure",
        "Compare and choose",
        "Keep and pass on",
        "This machine",
    ]
    assert {"models", "fit"} <= set(verbs["Before a download"])
    assert {"show", "export"} <= set(verbs["Keep and pass on"])
    rows = [row for part in sections[1:] for row in re.findall(r"^  \w+ +", part, re.M)]
    assert len(rows) == len(VERBS)
    assert len({*map(len, rows)}) == 1, "descriptions stand below each other"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_ends_with_examples_that_it_understands(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    for name in ("results.jsonl", "model.gguf", "plan.yaml", "ca.pem", "a.pem", "a.key"):
        Path(name).touch()
    command = cli.group.get_command(click.Context(cli.group), verb)
    assert command is not None
    lines = reference_options.examples(command)
    assert lines
    for line in lines:
        assert line in command.get_help(click.Context(command, info_name=verb, color=False))
        *_, (program, named, *words) = [shlex.split(part) for part in line.split("|")]
        assert (program, named) == ("harness", verb)
        parse(command, verb, words)


def parse(command: click.Command, name: str, words: list[str]) -> None:
    """Raises what the command line would answer."""
    with command.make_context(name, words) as context:
        if isinstance(command, click.Group) and (rest := context._protected_args + context.args):
            below = command.commands[rest[0]]
            parse(below, rest[0], rest[1:])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_within_80_columns(home: Home, verb: str) -> None:
    explains_itself(home.harness(verb, "--help"), verb)


@pytest.mark.parametrize(
    "verb", [it if it in ANEW else pytest.param(it, marks=pytest.mark.slow) for it in VERBS]
)
def test_every_verb_imports_what_it_needs(home: Home, verb: str) -> None:
    # Started anew: the others find everything imported, which could hide what one forgot.
    with home.started(verb, "--help") as started:
        explains_itself(started.done(), verb)


def explains_itself(done: Done, verb: str) -> None:
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: harness {verb} ")
    assert "--json" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_harness_alone_shows_its_help(home: Home) -> None:
    done = home.harness()

    assert done.exit_code == 2
    assert (done.stdout + done.stderr).startswith("Usage: harness [OPTIONS] COMMAND")


def test_the_version_is_the_one_of_the_package(home: Home) -> None:
    done = home.harness("--version")

    assert (done.exit_code, done.stderr) == (0, "")
    assert __version__ in done.stdout


def test_an_unknown_verb_is_wrong_usage(home: Home) -> None:
    done = home.harness("rum")

    assert done.exit_code == 2
    assert "'rum'" in done.error()
    assert "harness --help" in done.error()


def test_garbage_is_collected_again_once_all_is_imported() -> None:
    assert importlib.import_module("harness.measure.worker")
    assert cli.group.get_command(click.Context(cli.group), "cache")
    assert gc.isenabled()
