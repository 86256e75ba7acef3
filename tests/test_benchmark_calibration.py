"""The arithmetic by which comparisons of known truth are judged."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from make.records import make_experiment, make_run
from make.trials import disturbed_counters, make_trial
from numpy.typing import NDArray

from benchmarks import calibration_rounds, calibration_tables, worker_delayed
from benchmarks.calibration import main
from benchmarks.calibration_repeats import (
    BETTER,
    FIRST_LOOK,
    MOST_ROUNDS,
    SAME,
    UNDECIDED,
    WORSE,
    disjoint,
    errors_of_looks,
    ever,
    fastest,
    mean_and_stdev,
    pairs,
    ratio_of_means,
    repeated,
    rounds_needed,
    shares,
    slowed,
    until_decided,
    verdicts,
)
from benchmarks.calibration_rounds import Value, read, recordings, values_of, write
from harness.analysis.stats.ratio import CONFIDENCE, CONFIDENCE_OF_EACH_LOOK, compare_rounds
from harness.schema.machine import Machine

Floats = NDArray[np.float64]
SERIES = arrays.arrays(np.float64, st.tuples(st.just(3), st.integers(2, 30)),
                       elements=st.floats(-0.2, 0.2))  # fmt: skip
WORDS = {"better": BETTER, "worse": WORSE, "same": SAME, "cannot-tell": UNDECIDED}


@given(SERIES)
def test_the_verdicts_are_those_of_the_comparison_itself(logs: Floats) -> None:
    said = verdicts(logs)
    for series, words in zip(logs, said, strict=True):
        for n in range(1, len(series) + 1):
            b = dict(enumerate(np.exp(series[:n]).tolist()))
            found = compare_rounds(dict.fromkeys(b, 1.0), b, is_more_better=True)
            assert found
            # At the very edge of the threshold the last digit decides.
            edges = [
                abs(abs(math.log(end)) - math.log(1.02)) for end in (found.low, found.high) if end
            ]
            if min(edges, default=1) > 1e-9:
                assert WORDS[found.verdict] == words[n - 1]


def test_a_series_in_blocks_holds_nothing_but_recorded_rounds() -> None:
    logs = np.arange(1.0, 31.0)
    drawn = repeated(logs, 5, np.random.default_rng(1))
    assert drawn.shape == (5, MOST_ROUNDS)
    assert set(np.abs(drawn).ravel()) <= set(logs)
    steps = np.diff(np.abs(drawn), axis=1)
    assert np.mean((steps == 1) | (steps == -29)) > 0.8  # neighbours stay neighbours


def test_fair_series_have_no_side_that_is_ahead() -> None:
    logs = np.full(40, 0.03)
    drawn = repeated(logs, 2000, np.random.default_rng(1))
    assert set(np.abs(drawn).ravel()) == {0.03}
    assert abs(float(drawn.mean())) < 0.001


def test_measuring_on_stops_at_the_first_verdict() -> None:
    said = np.full((3, 20), UNDECIDED, dtype=np.int8)
    said[0, 2] = WORSE  # before the first look
    said[0, 9], said[1, FIRST_LOOK - 1] = BETTER, SAME
    stopped = until_decided(said)
    assert stopped.said == shares(np.array([BETTER, SAME, UNDECIDED], dtype=np.int8))
    assert stopped.n_median == 10


def test_nine_of_ten_must_find_it() -> None:
    said = np.full((10, 4), UNDECIDED, dtype=np.int8)
    said[:8, 1], said[:9, 2] = WORSE, WORSE
    assert rounds_needed(said, WORSE) == 3
    assert rounds_needed(said, BETTER) is None


def test_every_look_from_the_first_one_on_may_be_the_one_that_counts() -> None:
    said = np.full((4, 20), UNDECIDED, dtype=np.int8)
    said[0, FIRST_LOOK - 2] = WORSE  # before the first look
    said[1, 9], said[1, 10], said[2, 19] = SAME, BETTER, WORSE
    assert ever(said, BETTER) == 0.25
    assert ever(said, BETTER, WORSE) == 0.5
    assert ever(said, SAME) == 0.25


def test_all_looks_together_err_in_one_of_a_hundred_at_most() -> None:
    plain = errors_of_looks(CONFIDENCE, 200, 3000, np.random.default_rng(1))
    strict = errors_of_looks(CONFIDENCE_OF_EACH_LOOK, 200, 3000, np.random.default_rng(1))
    assert plain > 0.03
    assert strict < 0.01


def test_a_recording_is_cut_into_whole_comparisons() -> None:
    logs = np.concatenate([np.full(10, 0.1), np.full(10, -0.1), np.full(9, 0.0)])
    logs += np.random.default_rng(1).normal(0, 0.001, len(logs))
    assert disjoint(logs, 10).tolist() == [BETTER, WORSE]


def test_slower_by_a_twentieth_is_a_ratio_of_one_to_one_point_o_five() -> None:
    assert np.exp(slowed(np.zeros(1)))[0] == pytest.approx(1 / 1.05)


def made(figure: tuple[str, str], side: str, values: list[float], *more: float) -> list[Value]:
    return [Value(i, *figure, side, value, tuple(more)) for i, value in enumerate(values)]


def test_pairs_are_positive_where_b_is_better() -> None:
    rates, times = ("tg128", "tok_per_s"), ("chat", "ttft")
    values = [
        *made(rates, "plain", [100, 100, 100]),
        *made(rates, "again", [110, 90]),
        *made(times, "plain", [5]),
        *made(times, "again", [4]),
    ]
    assert (pairs(values, "tg128 tok_per_s", "plain", "again") > 0).tolist() == [True, False]
    assert pairs(values, "chat ttft", "plain", "again")[0] == pytest.approx(math.log(5 / 4))


def test_the_fastest_repetitions_are_a_twentieth_of_all() -> None:
    figure = ("tg128", "tok_per_s")
    values = made(figure, "plain", [1.0], *map(float, range(101)))
    assert fastest(values, "tg128 tok_per_s", "plain") == pytest.approx(95)
    assert fastest(made(("chat", "ttft"), "plain", [1.0]), "chat ttft", "plain") is None


def test_mean_and_stdev_differ_where_they_do_not_overlap() -> None:
    figure = ("tg128", "tok_per_s")
    values = [
        *made(figure, "plain", [100.0] * 2, 98, 100, 102),
        *made(figure, "again", [103.0], 101, 103, 105),
        *made(figure, "slowed", [90.0], 88, 90, 92),
    ]
    again = mean_and_stdev(values, "tg128 tok_per_s", "plain", "again")
    late = mean_and_stdev(values, "tg128 tok_per_s", "plain", "slowed")
    assert (again.same, late.worse) == (1.0, 1.0)


def test_a_ratio_of_means_is_believed_beyond_two_percent() -> None:
    figure = ("tg128", "tok_per_s")
    values = [
        *made(figure, "plain", [100.0] * 2, 90, 100, 110),
        *made(figure, "again", [101.0], 101, 101, 101),
        *made(figure, "slowed", [97.0], 97, 97, 97),
    ]
    again = ratio_of_means(values, "tg128 tok_per_s", "plain", "again")
    late = ratio_of_means(values, "tg128 tok_per_s", "plain", "slowed")
    assert (again.same, late.worse) == (1.0, 1.0)
    assert mean_and_stdev(values, "tg128 tok_per_s", "plain", "slowed").same == 1.0


def test_a_value_is_that_of_three_clean_trials_and_repetitions_are_the_first_five() -> None:
    machine = make_experiment().machine
    assert isinstance(machine, Machine)
    rates = [100.0, 60.0, 101.0, 102.0, 150.0, 160.0]
    trials = [
        make_trial("tg128", rate, i, counters=disturbed_counters() if rate == 60 else None)
        for i, rate in enumerate(rates)
    ]
    run = make_run(workloads=("tg128",), trials=tuple(trials), model="plain", round=4)
    found = {value.figure: value for value in values_of(run, machine)}
    rate = found["tg128 tok_per_s"]
    assert rate.value == pytest.approx(101, rel=0.001)
    assert rate.repetitions == pytest.approx((100, 60, 101, 102, 150), rel=0.001)
    assert (rate.round, rate.side) == (4, "plain")
    assert "peak" in found


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    values = [
        Value(1, "tg128", "tok_per_s", "plain", 123.456, (1.5, 2.25)),
        Value(1, "", "peak", "slowed", 1e9),
    ]
    write(values, tmp_path / "rounds-x.csv")
    assert read(tmp_path / "rounds-x.csv") == values


def test_every_recording_has_all_three_sides_in_many_rounds() -> None:
    assert recordings()
    for path in recordings():
        values = read(path)
        rates = {value.figure for value in values if value.metric == "tok_per_s"}
        assert len(rates) == 2
        for figure in rates:
            for side in ("again", "slowed"):
                assert len(pairs(values, figure, "plain", side)) >= 30, path


def test_the_delay_is_a_share_of_the_time_since_the_first_decode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0]

    class Library:
        def llama_decode(self, _handle: object, _batch: object) -> int:
            clock[0] += 1_000_000
            return 0

        def llama_synchronize(self, _handle: object) -> None:
            clock[0] += 2_000_000

    def now() -> int:
        clock[0] += 10  # so that waiting ends
        return clock[0]

    library = Library()
    monkeypatch.setattr(worker_delayed, "_LIB", library)
    monkeypatch.setattr(worker_delayed, "perf_counter_ns", now)
    worker_delayed.delay(0.05)
    for n_batches in (1, 2):
        start = clock[0]
        for _ in range(n_batches):
            library.llama_decode(None, None)
        library.llama_synchronize(None)
        took = 1_000_000 * n_batches + 2_000_000
        assert clock[0] - start == pytest.approx(1.05 * took, rel=1e-4)


@pytest.mark.slow
def test_three_sides_are_measured_through_the_real_worker(tiny_model: Path) -> None:
    arguments = ["--live", "--rounds", "4", "--model", str(tiny_model), "--threads", "1", "--json"]
    result = CliRunner().invoke(main, [*arguments, "--repeats", "20", "--wait", "10m"])
    assert result.exit_code == 0, result.output
    assert calibration_rounds.SIDES.keys() == {"plain", "again", "slowed"}


def test_a_figure_of_two_rounds_is_left_out() -> None:
    recording = read(recordings()[0])
    few = [it for it in recording if it.round in {each.round for each in recording[:1]}]
    assert calibration_tables.figures(recording)
    assert calibration_tables.figures(few) == []
