"""Depths and batches from the command line: measured, shown, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.commandline import ONE_THREAD, Home
from harness.records.store import load

FEW = ("--runs", "1", "--trials", "1", *ONE_THREAD)


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home]) -> Home:
    """Of a machine that nobody has calibrated."""
    home = new_home()
    done = home.harness("run", "tiny-random", "--depths", "0,32,1k", "-w",
                        "pp16,tg8,verify1,2,4@d32", *FEW)  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "No speed is predicted beside the depths" in " ".join(done.stderr.split())
    return home


def test_each_work_is_measured_at_each_depth_and_what_has_one_at_that(measured: Home) -> None:
    (run,) = load(measured.record()).runs
    assert set(run.workloads) == {
        *("pp16", "pp16@d32", "pp16@d1024", "tg8", "tg8@d32", "tg8@d1024"),
        *("verify1@d32", "verify2@d32", "verify4@d32"),
    }
    trials = [it for it in run.trials if it.workload == "verify4@d32" and not it.is_warm_up]
    assert all((it.n_tokens, len(it.step_ns)) == (64, 16) for it in trials)


def test_the_page_has_a_curve_and_a_table_of_batches(measured: Home) -> None:
    shown = measured.harness("show", "latest")
    assert "Decoding by depth, tg8" in shown.stdout
    assert "Prefill by depth, pp16" in shown.stdout
    assert "What a batch costs beside one token, behind 32" in shown.stdout
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert [line[0] for line in lines if line[:1] in (["0"], ["32"], ["1024"])] == [
        *("0", "32", "1024"), *("0", "32", "1024"),
    ]  # fmt: skip
    # All figures of them are asked for apart.
    assert not any(line[:2] == ["tg8@d1024", "tok/s"] for line in lines)
    full = measured.harness("show", "latest", "--verbose").stdout.splitlines()
    assert any(line.split()[:2] == ["tg8@d1024", "tok/s"] for line in full)


def test_a_report_draws_both(measured: Home) -> None:
    done = measured.harness("report", "--output", "r.html")
    assert done.exit_code == 0, done.stderr
    text = (measured.folder / "r.html").read_text("utf-8")
    assert "Decoding over the depth of the context" in text
    assert "Time of a batch, in that of one token" in text


@pytest.mark.slow
def test_auto_goes_as_deep_as_the_model_was_trained_for(home: Home) -> None:
    done = home.harness("run", "tiny-random", "--depths", "auto", "-w", "tg8", *FEW)
    assert done.exit_code == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "tiny-random:Q8_0: the largest context that it was trained for and fits is 8192" in said
    (run,) = load(home.record()).runs
    depths = {int(name.partition("@d")[2] or 0) for name in run.workloads}
    assert {0, 2048, 4096} < depths
    assert max(depths) == 8192 - 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--depths", "4q"), "'4q' is not a depth; write 0, 4096 or 16k"),
        (("--depths", "auto,4k"), "auto stands alone"),
        (("--depths", "4k", "-w", "chat"), "chat is at no depth of its own"),
        (("--depths", "64k"), "65664 positions are beyond the 8192 that the model was trained for"),
        (("--depths", "4k", "--ctx", "256"), "--ctx gives 256"),
        (("-w", "verify1,2@d0"), "'verify1@d0' is not a workload"),
        (("-w", "verify0,2"), "'verify0' is not a workload"),
        (("-w", "verify4096"), "4096 tokens at once are more than --batch-size 2048 takes"),
        (("--resume", "latest", "--depths", "4k"), "harness"),
    ],
)
def test_what_cannot_be_is_one_line(home: Home, arguments: tuple[str, ...], words: str) -> None:
    done = home.harness("run", "tiny-random", *arguments, *FEW)
    assert done.exit_code != 0
    assert words in " ".join((done.stderr + done.stdout).split())
    assert "Traceback" not in done.stderr
