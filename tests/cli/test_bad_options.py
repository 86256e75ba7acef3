"""Wrong usage: exit 2, one line that names the option and the value, nothing measured."""

from __future__ import annotations

import sys
from pathlib import Path

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
    assert error.endswith(" see `harness run --help`")


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


IMPOSSIBLE = [
    (("run", "tiny-random", "-c", "4", "-w", "pp512"), "pp512 needs 512 positions"),
    (("run", "tiny-random", "-fa", "off", "-ctv", "q8_0"), "--cache-type-v q8_0"),
    (("run", "tiny-random", "-fa", "on,off", "-ctv", "f16,q8_0"), "--cache-type-v q8_0"),
    (("run", "tiny-random", "-c", "9000"), "beyond the 8192"),
    (("run", "tiny-random", "-w", "tg8,tg8@d9999"), "tg8@d9999"),
    (("run", "tiny-random", "-b", "32", "-ub", "64"), "--ubatch-size 64"),
    (("run", "nosuch-model", "-c", "4", "-w", "pp512"), "pp512 needs 512 positions"),
    (("rehearse", "nosuch-model", "-c", "4", "-w", "pp512"), "pp512 needs 512 positions"),
    (("compare", "nosuch", "b", "-fa", "off", "-ctv", "q8_0"), "--cache-type-v q8_0"),
    (("frontier", "nosuch", "--measure", "-c", "4"), "needs 512 positions"),
    (("fit", "nosuch-model", "-fa", "off", "-ctv", "q8_0"), "--cache-type-v q8_0"),
    (("run", "nosuch-model", "-dev", "cuda77"), "no device named cuda77; this engine has"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), IMPOSSIBLE, ids=[" ".join(case[0]) for case in IMPOSSIBLE]
)
def test_what_cannot_be_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    cache: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with pytest.raises(SystemExit) as exited:
        main()
    done = Done(int(exited.value.code or 0), *capsys.readouterr())

    assert done.exit_code == 2
    assert words in done.error()
    assert not (tmp_path / "results").exists()
