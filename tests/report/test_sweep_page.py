from __future__ import annotations

from typing import Any

from make.records import KEY, SETTINGS, make_failed_run, make_model, make_run, run_of
from make.shown import result_of, shown
from make.trials import disturbed_counters, make_trial

from harness.report.measured_page import MeasuredResult

TESTS = ("pp512", "tg128", "chat")
ONE, TWO = (SETTINGS.model_copy(update={"n_threads": n, "load_mode": "none"}) for n in (1, 2))


def swept(**plan: Any) -> MeasuredResult:
    runs = [
        make_run(n, TESTS, {"tg128": 60.0 * (n % 2 + 1)}, settings=(ONE, TWO)[n % 2], round=n // 2)
        for n in range(12)
    ]
    return result_of(runs, TESTS, settings=(ONE, TWO), **plan)


def test_a_sweep_is_one_table_with_a_row_a_test_and_a_column_for_what_differs() -> None:
    answer, _, rest = shown(swept()).partition("\n\n")
    assert answer.startswith(
        "2 configurations (measured): 2 usable; decode from 59.3 tok/s (threads"
    )
    lines = rest.splitlines()
    assert lines[0] == "load-mode none"
    assert lines[2].split() == (
        ["size", "params", "threads", "test", "tok/s", "95", "%", "interval", "TTFT", "n"]
    )
    assert lines[4] == KEY
    rows = [line.split() for line in lines[5:11]]
    assert [(row[4], row[5]) for row in rows] == [(n, test) for n in "12" for test in TESTS]
    assert [row[6] for row in rows if row[5] == "tg128"] == ["59.3", "119"]
    assert max(map(len, lines)) <= 80


def test_all_figures_of_a_sweep_are_asked_for_and_in_every_flat_format() -> None:
    compact, full = shown(swept()), shown(swept(), is_full=True)
    assert "ITL p95" not in compact
    assert "--verbose, here or with `harness show`" in compact
    assert full.count("ITL p95") >= 2
    assert "--verbose" not in full
    assert shown(swept(), "csv") == shown(swept(), "csv", is_full=True)


def test_one_configuration_alone_has_all_its_figures() -> None:
    text = shown(result_of([make_run(0, ("tg128",))], ("tg128",)))
    assert "ITL p95" in text
    assert "--verbose" not in text


def test_two_models_are_told_apart_and_what_failed_is_said_of_its_own() -> None:
    other = make_model(key="other:Q8_0", sha256="f" * 64, n_bytes=300_000_000, n_params=10**9)
    runs = [make_run(0, ("tg128",)), make_failed_run(model=other.key)]
    text = shown(result_of(runs, ("tg128",), models=(make_model(), other)), "github")
    (mine,), (its,) = (
        [it for it in text.splitlines() if it.startswith(f"| {key}")] for key in (KEY, other.key)
    )
    assert "98.4 MB" in mine
    assert "300 MB" in its
    assert "1.00 B" in its
    assert "failed" in its
    assert "- other:Q8_0 tg128  failed: The system killed the worker" in text


def test_a_disturbed_row_is_marked_and_says_by_what() -> None:
    spoilt = run_of(make_trial("tg128", 30, counters=disturbed_counters()), settings=TWO)
    runs = [run_of(make_trial("tg128", 60), settings=ONE), spoilt]
    text = " ".join(shown(result_of(runs, ("tg128",), settings=(ONE, TWO))).split())
    assert "1 tg128 60.0" in text
    assert "2 tg128 ? 30.0" in text
    assert "threads 2 tg128 no clean trial in 1 Run: others took 33.3 % of the CPUs" in text


def test_what_is_to_be_known_of_every_verdict_is_said_once() -> None:
    text = " ".join(shown(swept()).split())
    assert text.count("usable (measured)") == 2
    assert text.count("Decoding was measured at depth 0") == 1
