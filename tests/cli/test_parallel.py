"""Several sequences together from the command line: measured, shown, compared, passed on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from make.gate import make_candidate, put

from cli.commandline import ONE_THREAD, Home
from harness.records.store import load


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home]) -> Home:
    home = new_home()
    names = "tg8,tg8x3,pp16x3,tg8x3@d16"
    done = home.harness("run", "tiny-random", "--runs", "1", "--trials", "1", "-w", names,
                        *ONE_THREAD)  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return home


def test_the_rate_of_each_user_stands_beside_that_of_all(measured: Home) -> None:
    (case,) = (
        case
        for case in measured.harness("show", "latest", "--json").document["cases"]
        if case["workload"] == "tg8x3"
    )
    told = case["metrics"] or case["disturbed"]
    figures = {name: figure["value"] for name, figure in told.items()}
    assert figures["tok_per_s"] == pytest.approx(3 * figures["tok_per_s_per_user"])
    assert figures["itl_p50"] > 0
    assert "mbu" not in figures
    shown = measured.harness("show", "latest", "--explain").stdout
    header, _, *rows = (line.split() for line in shown.partition("tg8\n\n")[2].splitlines())
    assert header[:2] == ["users", "tok/s"]
    assert "per user" in " ".join(header)
    assert [row[0] for row in rows[:2]] == ["1", "3"]
    assert "tok/s of all sequences together" in shown.replace("\n", " ")


def test_memory_is_predicted_for_so_many(measured: Home) -> None:
    stored = load(measured.record())
    told = {
        it.workload: it.value for it in stored.experiment.predictions if it.component == "kv_bytes"
    }
    assert told["tg8x3"] == 3 * told["tg8"]
    for context in stored.runs[0].contexts:
        taken = sum(it.n_bytes for it in context.buffers if it.kind == "kv")
        assert told[context.workload] == pytest.approx(taken, abs=0.01 * (1 << 20))


@pytest.mark.slow
def test_what_stands_on_results_judges_all_users_together(home: Home) -> None:
    names = ("tg128x4", "pp64x4")
    put(home.results, make_candidate("base01", day=1, workloads=names))
    put(home.results, make_candidate("slow01", workloads=names), slowdown=0.2, seed=2)

    compared = home.harness("compare", "experiment=base01", "experiment=slow01", "--stored")
    assert compared.exit_code == 0, compared.stderr
    assert "tg128x4" in compared.stdout
    assert "per user" not in compared.stdout
    gated = home.harness("gate", "slow01", "--baseline", "base01", "--json")
    assert gated.exit_code == 3, gated.stderr
    judged = {(it["workload"], it["metric"]) for it in gated.document["checks"]}
    assert {("tg128x4", "tok_per_s"), ("pp64x4", "tok_per_s")} <= judged
    report = home.harness("report")
    assert report.exit_code == 0, report.stderr
    assert "Several sequences together" in (home.folder / "report.html").read_text("utf-8")
    card = home.harness("share", "base01")
    assert card.exit_code == 0, card.stderr


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        ("tg8x300", "tg8x300: 300 sequences are more than the 256"),
        ("tg8x2@d999999", "of each of 2 sequences are beyond the"),
        ("tg128x", "'tg128x' is not a workload"),
    ],
)
def test_what_cannot_be_is_one_line(home: Home, workload: str, words: str) -> None:
    done = home.harness("run", "tiny-random", "-w", workload)
    assert done.exit_code == 2
    assert words in done.error()
