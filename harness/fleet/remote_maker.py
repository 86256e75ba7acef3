"""Makes the Runs of an experiment on the machine that it is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns
from typing import NoReturn

from numpy.random import Generator

from harness.errors import HarnessError
from harness.fleet.cluster import WorkersDied
from harness.fleet.desk import Desk
from harness.fleet.job import Cell, Measure, Measured, Turns
from harness.measure.maker import Made, Task
from harness.measure.rounds import now
from harness.records.store import logs_folder
from harness.schema.experiment import Experiment, Run
from harness.schema.outcome import Outcome

OnSent = Callable[[Task], None]


class RemoteMaker:
    """
    Sends cells to a machine and takes the Runs that come back; the logs are written beside the
    record here.

    Attributes:
        is_interrupted: Never: a Run that comes back is whole, and signals come between two.

    Args:
        desk: Of the machine.
        argv: The words that name the models there.
        experiment: What it prepared.
        record: The experiment's file here.
        on_sent: Told of each Run that is about to be sent.
    """

    def __init__(
        self,
        desk: Desk,
        argv: tuple[str, ...],
        experiment: Experiment,
        record: Path,
        on_sent: OnSent,
    ) -> None:
        self.is_interrupted = False
        self._desk = desk
        self._argv = argv
        self._experiment = experiment
        self._logs = logs_folder(record)
        self._on_sent = on_sent

    def alone(self, task: Task) -> Made:
        """
        One Run; a failed one where each worker that made it was lost.

        Raises:
            KeyboardInterrupt: The fleet is being ended, or the machine was given up.
        """
        return self._made([task], None)[0]

    def in_turns(
        self, tasks: Sequence[Task], workloads: Sequence[str], rng: Generator
    ) -> list[Run]:
        """The Runs of a round whose trials take turns; see Maker."""
        turns = Turns(workloads=tuple(workloads), seed=int(rng.integers(2**31)))
        return [made.run for made in self._made(tasks, turns)]

    def _made(self, tasks: Sequence[Task], turns: Turns | None) -> list[Made]:
        cells = tuple(Cell.of(task) for task in tasks)
        job = Measure(argv=self._argv, experiment=self._experiment, cells=cells, turns=turns)
        for task in tasks:
            self._on_sent(task)
        began_at, began_ns = now(), perf_counter_ns()
        try:
            answer = self._desk.ask(job).answer
        except WorkersDied:
            taken_ns = perf_counter_ns() - began_ns
            return [Made(_lost(cell, began_at, taken_ns), taken_ns) for cell in cells]
        except HarnessError as error:
            self._end(str(error))
        if not isinstance(answer, Measured) or not _answers(answer, cells):
            self._end("it answered with other Runs than were asked for")
        for run, log in zip(answer.runs, answer.logs, strict=True):
            self._keep(run, log)
        return [Made(*each) for each in zip(answer.runs, answer.taken_ns, strict=True)]

    def _end(self, why: str) -> NoReturn:
        """Nothing more of this machine: its Sweep ends as interrupted, and can go on."""
        self._desk.gave_up = self._desk.gave_up or why
        raise KeyboardInterrupt

    def _keep(self, run: Run, log: str) -> None:
        # A Run is worth more than its log: one that cannot be written is left out.
        with suppress(OSError):
            self._logs.mkdir(parents=True, exist_ok=True)
            (self._logs / f"run-{run.index + 1:03}.log").write_text(log, encoding="utf-8")


def _answers(answer: Measured, cells: Sequence[Cell]) -> bool:
    """Whether it holds the Runs that were asked for, and nothing else."""
    if not len(cells) == len(answer.runs) == len(answer.taken_ns) == len(answer.logs):
        return False
    return all(cell.is_answered_by(run) for cell, run in zip(cells, answer.runs, strict=True))


def _lost(cell: Cell, began_at: str, taken_ns: int) -> Run:
    """The Run of a cell that has ended its worker each time."""
    return Run(
        index=cell.index,
        round=cell.round_index,
        model=cell.model,
        settings=cell.settings,
        workloads=cell.workloads,
        seed=cell.seed,
        started_at=began_at,
        duration_ns=taken_ns,
        outcome=Outcome(
            status="failed",
            reason="killed",
            message="the machine's worker was lost each time that it made this Run",
        ),
    )
