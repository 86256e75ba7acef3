"""Conversations from the command line: measured, shown, compared, passed on, and refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from make.gate import make_candidate, put

from cli.commandline import ONE_THREAD, Home
from harness.records.store import load
from harness.serving.server import RunningServer

NAME = "turns3:200+60+8"


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home]) -> Home:
    home = new_home()
    lengths = ("--turns-system", "200", "--turns-input", "60", "--turns-output", "8")
    done = home.harness("run", "tiny-random", "--runs", "1", "--trials", "1", "-w",
                        "turns3,tg8,turns2x2", *lengths, *ONE_THREAD)  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return home


def test_lengths_stand_in_the_name_and_each_turn_in_the_document(measured: Home) -> None:
    document = measured.harness("show", "latest", "--json").document
    names = [case["workload"] for case in document["cases"]]
    assert names == [NAME, "tg8", "turns2x2:200+60+8"]
    ours, together = document["conversations"]
    assert [(it["number"], it["history"]) for it in ours["turns"]] == [
        (1, "kept"), (2, "kept"), (3, "kept"), (3, "edited"), (3, "dropped")
    ]  # fmt: skip
    assert [it["n_cached"] == 0 for it in ours["turns"]] == [True, False, False, False, True]
    assert [it["number"] for it in together["turns"]] == [1, 2]
    (case,) = (it for it in document["cases"] if it["workload"] == NAME)
    told = case["metrics"] | case["disturbed"]
    assert {"ttft_kept", "ttft", "ttft_dropped", "session_bytes"} <= told.keys()
    assert "joules_per_token" not in case["not_applicable"] or not case["energy"]


def test_the_page_has_the_turns_and_says_what_is_saved(measured: Home) -> None:
    shown = " ".join(measured.harness("show", "latest", "--explain", "--verbose").stdout.split())
    assert f"{NAME}: a kept prefix saves" in shown
    assert "of the prompt of turn 3 is still in the cache" in shown
    assert "3, nothing in the cache" in shown
    assert "TTFT kept" in shown


def test_memory_is_planned_as_it_was_made(measured: Home) -> None:
    stored = load(measured.record())
    told = {
        it.workload: it.value for it in stored.experiment.predictions if it.component == "kv_bytes"
    }
    for context in stored.runs[0].contexts:
        taken = sum(it.n_bytes for it in context.buffers if it.kind == "kv")
        assert told[context.workload] == pytest.approx(taken, abs=0.01 * (1 << 20))
    (turns,) = (it for it in stored.runs[0].contexts if it.workload == NAME)
    assert turns.n_ctx == 768


@pytest.mark.slow
def test_what_stands_on_results_knows_conversations(home: Home) -> None:
    names = ("turns3:1000+200+50", "turns3x2:1000+200+50")
    put(home.results, make_candidate("base01", day=1, workloads=names))
    put(home.results, make_candidate("slow01", workloads=names), slowdown=0.2, seed=2)

    compared = home.harness("compare", "experiment=base01", "experiment=slow01", "--stored")
    assert compared.exit_code == 0, compared.stderr
    assert "TTFT kept" in compared.stdout
    gated = home.harness("gate", "slow01", "--baseline", "base01", "--json")
    assert gated.exit_code == 3, gated.stderr
    judged = {(it["workload"], it["metric"]) for it in gated.document["checks"]}
    assert {(names[0], name) for name in ("ttft_kept", "ttft", "decode_tok_per_s")} <= judged
    assert (names[1], "tok_per_s") in judged
    report = home.harness("report")
    assert report.exit_code == 0, report.stderr
    assert "a kept prefix saves" in (home.folder / "report.html").read_text("utf-8")
    for done in (home.harness("share", "base01"), home.harness("show", "base01")):
        assert done.exit_code == 0, done.stderr
    exported = home.harness("export", "base01")
    assert exported.exit_code == 1
    assert f"{names[1]} (llama-bench has no such workload)" in exported.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-w", "turns0"), "turns0: a conversation has 1 to 100 turns"),
        (("-w", "turns10000"), "turns10000: a conversation has 1 to 100 turns"),
        (("-w", "turns8x300"), "300 sequences are more than the 256"),
        (("-w", "turns2:900000+1+1"), "are beyond the"),
        (("-w", "turns2x2:900000+1+1"), "are beyond the"),
        (("-w", "turns8", "--ctx", "1024"), "turns8 needs 4078 positions, --ctx gives 1024"),
        (("-w", "tg8", "--turns-input", "9"), "--turns-input is for conversations; add --workload"),
        (("-w", "turns8@d5"), "'turns8@d5' is not a workload"),
        (("-w", "turns8", "--rate", "2"), "turns8 at 2 a second is no workload"),
        (("-w", "turns8", "--rate", "auto", "--slo", "ttft=2s"), "is for one"),
    ],
)
def test_what_cannot_be_is_one_line(home: Home, arguments: tuple[str, ...], words: str) -> None:
    done = home.harness("run", "tiny-random", *arguments)
    assert done.exit_code == 2
    assert words in done.error()


def test_a_served_conversation_shows_what_the_server_kept(
    home: Home, llama_server: RunningServer
) -> None:
    names = "turns2:200+60+8,turns2x2:200+60+8"
    done = home.harness("run", "--endpoint", llama_server.url, "--runs", "1", "--trials", "1",
                        "-w", names, "--json")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    alone, together = done.document["conversations"]
    assert [it["history"] for it in alone["turns"]] == ["kept", "kept", "edited", "dropped"]
    first, second, _, dropped = alone["turns"]
    assert second["n_cached"] > 0.9 * first["n_prompt"]
    assert dropped["n_cached"] < 60
    assert [it["number"] for it in together["turns"]] == [1, 2]
    findings = " ".join(it["text"] for it in done.document["findings"])
    assert "came from the server's cache" not in findings
    shown = " ".join(home.harness("show", "latest").stdout.split())
    assert "turns2:200+60+8: a kept prefix saves" in shown


def test_what_a_server_has_no_room_for_is_one_line(home: Home, llama_server: RunningServer) -> None:
    done = home.harness("run", "--endpoint", llama_server.url, "-w", "turns8")
    assert done.exit_code == 2
    assert "turns8 needs 3950 positions" in done.error()


@pytest.mark.slow
def test_a_file_and_its_server_hold_the_same_conversation(home: Home) -> None:
    done = home.harness("run", "tiny-random", "--also-served", "--runs", "1", "--trials", "1",
                        "-w", "turns2:200+60+8", *ONE_THREAD, "--json")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    here, served = done.document["conversations"]
    for ours, theirs in zip(here["turns"], served["turns"], strict=True):
        assert ours["history"] == theirs["history"]
        # Their first message begins with 20 digits that no cache knows.
        assert abs(ours["n_prompt"] - theirs["n_prompt"]) < 60


@pytest.mark.slow
def test_conversations_of_several_settings_take_turns(home: Home) -> None:
    done = home.harness("run", "tiny-random", "--threads", "1,2", "--in-turns", "always",
                        "--runs", "1", "--trials", "2", "-w", "turns2:200+60+8")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    runs = load(home.record()).runs
    assert len(runs) == 2
    assert all(run.is_in_turns and run.outcome.status == "ok" for run in runs)
    for run in runs:
        assert [it.is_warm_up for it in run.trials] == [True, False]


@pytest.mark.slow
def test_lengths_that_are_kept_are_for_conversations_alone(home: Home) -> None:
    assert home.harness("config", "set", "run.turns-input", "60").exit_code == 0
    done = home.harness("run", "tiny-random", "-w", "tg8", "--runs", "1", *ONE_THREAD)
    assert done.exit_code == 0, done.stderr
