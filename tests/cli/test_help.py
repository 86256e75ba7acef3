from __future__ import annotations

import click
import pytest

from cli.commandline import Home
from harness import __version__, cli

VERBS = tuple(cli.group.list_commands(click.Context(cli.group)))


def test_help_names_every_verb(home: Home) -> None:
    done = home.harness("--help")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: harness [OPTIONS] COMMAND")
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_within_80_columns(home: Home, verb: str) -> None:
    # Started anew: the others find everything imported, which could hide what one forgot.
    with home.started(verb, "--help") as started:
        done = started.done()

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
