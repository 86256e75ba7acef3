"""Workers that are alive together and measure in turns: the real ones, on a tiny model."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis import disturbance
from harness.analysis.disturbance import Disturbance
from harness.measure.jobs.measure import (
    MeasureJob,
    MeasureReport,
    ReadyEvent,
    RepeatEvent,
    TrialEvent,
)
from harness.measure.protocol import Event, HelloEvent
from harness.measure.turns import Side, Turns, arrangement, measure_in_turns
from harness.schema.settings import Settings

FAULTS = Path(__file__).parents[1] / "make" / "engine_faults.py"
N_TRIALS = 3


class Table:
    """Where sides sit: what each of them told, in order, and their processes."""

    def __init__(self, folder: Path, model: Path) -> None:
        self._folder, self._model = folder, model
        self.told: list[tuple[str, Event]] = []
        self.on_event: Callable[[str, Event], None] = lambda _name, _event: None

    def side(
        self, name: str, *workloads: str, fault: str = "", left_ns: int = 10**12, **settings: object
    ) -> Side:
        job = MeasureJob(
            model_path=str(self._model),
            settings=Settings.model_validate({"n_threads": 1} | settings),
            workloads=workloads or ("tg8",),
            n_trials=N_TRIALS,
            n_trials_max=3 * N_TRIALS,
            seed=len(name),
            is_in_turns=True,
            n_cores_logical=2,
            n_cores_usable=2,
            started_ns=0,
            deadline_ns=left_ns,
        )

        def take(event: Event) -> None:
            self.told.append((name, event))
            self.on_event(name, event)

        side = Side(job, self._folder / f"{name}.log", take)
        command = (sys.executable, str(FAULTS), fault)
        return replace(side, command=command) if fault else side

    def trials(self, workload: str) -> list[tuple[str, int]]:
        """Side and index, warm-ups left out."""
        return [
            (name, event.trial.index)
            for name, event in self.told
            if isinstance(event, TrialEvent)
            and event.trial.workload == workload
            and not event.trial.is_warm_up
        ]

    @property
    def pids(self) -> list[int]:
        return [event.pid for _, event in self.told if isinstance(event, HelloEvent)]


@pytest.fixture
def table(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    # Whoever else runs here would have trials repeated.
    monkeypatch.setattr(disturbance, "why_disturbed", lambda *_, **__: None)
    return Table(tmp_path, tiny_model)


def measured(*sides: Side, workloads: tuple[str, ...] = ("tg8",), **options: int) -> list[Turns]:
    return measure_in_turns(sides, workloads, np.random.default_rng(3), **options)


def indices(report: MeasureReport, workload: str) -> list[int]:
    return [it.index for it in report.trials if it.workload == workload and not it.is_warm_up]


@pytest.mark.parametrize(
    "workloads",
    [
        ("tg8", "chat"),
        pytest.param(("tg8", "pp16", "tg8x2@d16", "chat"), marks=pytest.mark.slow),
    ],
)
def test_trials_alternate_in_an_order_that_rotates(
    table: Table, workloads: tuple[str, ...]
) -> None:
    sides = [table.side(name, *workloads) for name in ("a", "b", "c")]
    for each in measured(*sides, workloads=workloads):
        assert each.report.outcome.status == "ok", each.report.outcome
        assert [indices(each.report, name) for name in workloads] == [[0, 1, 2]] * len(workloads)

    for name in workloads:
        trials = table.trials(name)
        assert [index for _, index in trials] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        orders = ["".join(side for side, at in trials if at == index) for index in range(3)]
        first = orders[0]
        assert orders == [first, first[1:] + first[:1], first[2:] + first[:2]]
        assert sorted(first) == ["a", "b", "c"]


@pytest.mark.slow
def test_a_side_loads_while_the_others_wait(table: Table) -> None:
    measured(table.side("a"), table.side("b"))
    names = [name for name, _ in table.told]
    ready_a = next(
        i for i, (name, it) in enumerate(table.told) if name == "a" and isinstance(it, ReadyEvent)
    )
    first_b = names.index("b")
    ready_b = next(
        i for i, (name, it) in enumerate(table.told) if name == "b" and isinstance(it, ReadyEvent)
    )
    assert ready_a < first_b
    assert set(names[first_b:ready_b]) == {"b"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux counts of a process")
def test_who_waits_sleeps(table: Table) -> None:
    shares: list[float] = []

    def computed_ns(pid: int) -> int:
        tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks)

    def look(name: str, event: Event) -> None:
        if name == "b" and isinstance(event, ReadyEvent) and not shares:
            before_ns, started_ns = computed_ns(table.pids[0]), perf_counter_ns()
            time.sleep(0.5)
            took_ns = computed_ns(table.pids[0]) - before_ns
            shares.append(took_ns / (perf_counter_ns() - started_ns))

    table.on_event = look
    measured(table.side("a", n_threads=2), table.side("b", n_threads=2))
    assert shares[0] < 0.001


@pytest.mark.slow
def test_loading_begins_when_its_own_worker_does(table: Table) -> None:
    def dawdle(name: str, event: Event) -> None:
        if name == "a" and isinstance(event, HelloEvent):
            time.sleep(3)

    table.on_event = dawdle
    first, second = measured(table.side("a"), table.side("b"))
    assert first.report.load
    assert second.report.load
    assert second.report.load.total_ns < first.report.load.total_ns
    assert second.active_ns < first.active_ns


@pytest.mark.slow
def test_sides_with_other_workloads_take_turns_in_those_they_share(table: Table) -> None:
    workloads = ("pp16", "tg8", "chat")
    one, other = measured(
        table.side("a", "pp16", "tg8"), table.side("b", "tg8", "chat"), workloads=workloads
    )
    assert [indices(one.report, name) for name in workloads] == [[0, 1, 2], [0, 1, 2], []]
    assert [indices(other.report, name) for name in workloads] == [[], [0, 1, 2], [0, 1, 2]]
    assert [index for _, index in table.trials("tg8")] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("abort", "aborted"),
        pytest.param("kill", "killed", marks=pytest.mark.slow),
        pytest.param("exit", "worker-error", marks=pytest.mark.slow),
    ],
)
def test_who_dies_in_the_middle_of_a_round_leaves_the_others_to_it(
    table: Table, fault: str, reason: str
) -> None:
    dead, alive = measured(table.side("a", fault=fault), table.side("b"))
    assert (dead.report.outcome.status, dead.report.outcome.reason) == ("failed", reason)
    assert alive.report.outcome.status == "ok"
    assert indices(alive.report, "tg8") == list(range(len(indices(alive.report, "tg8"))))
    assert len(indices(alive.report, "tg8")) >= N_TRIALS > len(indices(dead.report, "tg8"))
    assert not any(map(psutil.pid_exists, table.pids))


@pytest.mark.slow
def test_who_hangs_in_its_turn_is_ended(table: Table) -> None:
    dead, alive = measured(table.side("a", fault="hang"), table.side("b"), silence_ns=2 * 10**9)
    assert dead.report.outcome.reason == "hung"
    assert alive.report.outcome.status == "ok"


@pytest.mark.slow
def test_what_a_side_cannot_do_the_other_does_alone(table: Table) -> None:
    workloads = ("pp64", "tg8")
    small, large = measured(
        table.side("a", *workloads, n_ctx=16), table.side("b", *workloads), workloads=workloads
    )
    assert [each.workload for each in small.report.case_failures] == ["pp64"]
    assert [indices(small.report, name) for name in workloads] == [[], [0, 1, 2]]
    assert [indices(large.report, name) for name in workloads] == [[0, 1, 2], [0, 1, 2]]


def test_ctrl_c_ends_them_all(table: Table) -> None:
    def press(name: str, event: Event) -> None:
        if name == "b" and isinstance(event, TrialEvent) and not event.trial.is_warm_up:
            raise KeyboardInterrupt

    table.on_event = press
    for each in measured(table.side("a"), table.side("b")):
        assert each.report.outcome.reason == "interrupted"
    assert len(table.pids) == 2
    assert not any(map(psutil.pid_exists, table.pids))


@pytest.mark.slow
def test_ctrl_c_while_one_loads_ends_those_that_wait(table: Table) -> None:
    def press(name: str, event: Event) -> None:
        if name == "b" and isinstance(event, HelloEvent):
            raise KeyboardInterrupt

    table.on_event = press
    one, other = measured(table.side("a"), table.side("b"))
    assert one.report.outcome.message == "interrupted during tg8"
    assert other.report.outcome.message == "interrupted while loading the model"
    assert not any(map(psutil.pid_exists, table.pids))


def test_a_disturbed_trial_takes_its_neighbour_out_and_both_are_repeated(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_asked = 0

    def disturbed(*_: object, **__: object) -> Disturbance | None:
        nonlocal n_asked
        n_asked += 1
        return Disturbance("others", 0.3) if n_asked in (2, 5) else None

    monkeypatch.setattr(disturbance, "why_disturbed", disturbed)
    measured(table.side("a"), table.side("b"))
    # Of five cycles two had a disturbed trial, the first one's second and the third one's first.
    assert [index for _, index in table.trials("tg8")] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    (repeat,) = [event for _, event in table.told if isinstance(event, RepeatEvent)]
    assert (repeat.n_disturbed, repeat.n_trials, repeat.n_trials_max) == (2, 3, 9)
    assert repeat.disturbed_by == "others took 30.0 % of the CPUs"


@pytest.mark.slow
def test_when_all_is_disturbed_it_ends_all_the_same(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = Disturbance("others", 0.3)
    monkeypatch.setattr(disturbance, "why_disturbed", lambda *_, **__: always)
    measured(table.side("a"), table.side("b"))
    assert len(table.trials("tg8")) == 2 * 3 * N_TRIALS


def test_time_that_is_up_in_the_middle_of_a_pair_ends_behind_it(table: Table) -> None:
    one, other = measured(table.side("a", left_ns=1), table.side("b"))
    assert indices(one.report, "tg8") == indices(other.report, "tg8") == [0]
    assert {one.report.outcome.status, other.report.outcome.status} == {"ok"}


@given(st.integers(0, 2**31 - 1))
def test_the_arrangement_of_memory_is_drawn_from_the_seed(seed: int) -> None:
    drawn = arrangement(seed)
    assert drawn == arrangement(seed)
    assert {2**14 <= int(value) <= 2**25 for value in drawn.values()} == {True}


def test_the_arrangements_of_two_processes_differ() -> None:
    assert len({*map(str, map(arrangement, range(100)))}) == 100
