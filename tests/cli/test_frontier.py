"""`harness frontier --measure` as its user meets it: real speeds, real distances, one page."""

from __future__ import annotations

import pytest

from cli.commandline import ONE_THREAD, Home

QUICK = ("--runs", "3", "--trials", "1", "-w", "pp16,tg8", "--chunks", "2", *ONE_THREAD)


@pytest.mark.slow
def test_what_is_missing_is_measured_once_and_stands_on_the_page(home: Home) -> None:
    made = home.harness("quantize", "tiny-random", "--to", "Q4_K_M", "--dir", "made")
    assert made.exit_code == 0, made.stderr
    arguments = ("frontier", "tiny-random", "--dir", "made", "--measure", *QUICK, "--json")
    done = home.harness(*arguments)
    assert done.exit_code == 0, done.stderr
    precise, coarse = done.document["options"]
    assert (precise["name"], coarse["name"]) == ("Q8_0", "Q4_K_M+")
    for option in (precise, coarse):
        assert {"bytes", "need", "decode", "prefill", "kl", "same_top"} <= set(option["figures"])
    assert coarse["figures"]["kl"]["value"] > precise["figures"]["kl"]["value"] == 0
    again = home.harness(*arguments)
    assert again.document["options"] == done.document["options"]
    assert len(list(home.results.glob("*.jsonl"))) == 1
    assert len(list((home.results / "quality").glob("*.json"))) == 1


@pytest.mark.slow
def test_without_chunks_only_speeds_are_measured(home: Home) -> None:
    home.harness("quantize", "tiny-random", "--to", "Q4_K_M", "--dir", "made")
    done = home.harness(
        "frontier", "tiny-random", "--dir", "made", "--measure", *QUICK, "--chunks", "0"
    )
    assert done.exit_code == 0, done.stderr
    assert "Speeds: at most 5m00s for each of 2 models, 10m00s in all (--budget).\n" in done.stderr
    assert "Distances" not in done.stderr
    assert not (home.results / "quality").exists()
    assert "Inconclusive" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
