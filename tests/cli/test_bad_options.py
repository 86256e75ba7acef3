"""Wrong usage: exit 2, one line that names the option and the value, nothing measured."""

from __future__ import annotations

import sys

import pytest

from cli.commandline import Done, Home
from harness.cli import main

WRONG = [
    (("--runs", "0"), "--runs", "0"),
    (("--runs", "-3"), "--runs", "-3"),
    (("--runs", "many"), "--runs", "many"),
    (("--trials", "0"), "--trials", "0"),
    (("--trials", "2.5"), "--trials", "2.5"),
    (("--budget", "0s"), "--budget", "0s"),
    (("--budget", "-5m"), "--budget", "-5m"),
    (("--budget", "soon"), "--budget", "soon"),
    (("--precision", "0%"), "--precision", "0%"),
    (("--precision", "150%"), "--precision", "150%"),
    (("--precision", "nan"), "--precision", "nan"),
    (("--seed", "-1"), "--seed", "-1"),
    (("--threads", "1,0"), "--threads", "0"),
    (("--threads", "1,"), "--threads", "''"),
    (("--ctx", "0"), "--ctx", "0"),
    (("-ngl", "-2"), "--gpu-layers", "-2"),
    (("-w", "tg0"), "--workload", "tg0"),
    (("-w", "pp512,tgoo"), "--workload", "tgoo"),
    (("-ctk", "q9_9"), "--cache-type-k", "q9_9"),
    (("-fa", "maybe"), "--flash-attn", "maybe"),
    (("--repack", "1"), "--repack", "1"),
    (("--load-mode", "teleport"), "--load-mode", "teleport"),
    (("--format", "xml"), "--format", "xml"),
    (("--timeout", "0"), "--timeout", "0"),
    (("--rnus", "2"), "--runs", "--rnus"),
]


@pytest.mark.parametrize(
    ("arguments", "option", "value"), WRONG, ids=[" ".join(case[0]) for case in WRONG]
)
def test_a_wrong_value_is_named_with_its_option(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    option: str,
    value: str,
) -> None:
    # In this process: a process for each of them would import the same modules again.
    monkeypatch.setattr(sys, "argv", ["harness", "run", "tiny-random", *arguments])
    with pytest.raises(SystemExit) as exited:
        main()
    done = Done(int(exited.value.code or 0), *capsys.readouterr())

    assert done.exit_code == 2
    error = done.error()
    assert option in error
    assert value in error
    assert error.endswith("; see `harness run --help`")


def test_wrong_usage_leaves_nothing_behind(home: Home) -> None:
    done = home.harness("run", "tiny-random", "--runs", "0")

    assert done.exit_code == 2
    assert "--runs" in done.error()
    assert "see `harness run --help`" in done.error()
    assert not home.results.exists()


def test_pull_without_a_model_is_wrong_usage(home: Home) -> None:
    done = home.harness("pull")

    assert done.exit_code == 2
    assert "MODELS" in done.error()
