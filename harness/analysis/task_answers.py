"""What one configuration answered to the texts of a task, round by round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from harness.analysis import formulas
from harness.analysis.measured import Measured, Round
from harness.analysis.requests import answers_tok_per_s
from harness.schema.experiment import Run, Trial
from harness.schema.request import Request


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """The answers of one configuration to a task, by round: of clean trials alone."""

    answers: Mapping[Round, tuple[tuple[Request, ...], ...]]
    first: tuple[Request, ...]
    """Those of the first trial of all, clean or not: what is said does not depend on that."""

    @classmethod
    def of(cls, group: Measured, workload: str) -> Self:
        """Those of a configuration."""
        machine = group.experiment.machine
        answers: dict[Round, tuple[tuple[Request, ...], ...]] = {}
        trials: list[tuple[Run, Trial]] = []
        for run in group.runs:
            trials += [(run, trial) for trial in formulas.trials_of(run, workload)]
            clean = formulas.filtered_trials(run, workload, machine, "clean")
            if clean:
                answers[group.experiment.id, run.round] = tuple(it.requests for it in clean)
        return cls(answers, trials[0][1].requests if trials else ())

    def answer_ns(self) -> dict[Round, float]:
        """The time of all answers of a trial, each from its text on, in the mean of a round."""
        return {
            at: sum(it.answered_ns for trial in trials for it in trial) / len(trials)
            for at, trials in self.answers.items()
        }

    def text_rates(self) -> dict[int, dict[Round, float]]:
        """Number of a text to its decode tok/s in each round."""
        found: dict[int, dict[Round, float]] = {}
        for at, trials in self.answers.items():
            for number, answers in enumerate(zip(*trials, strict=False)):
                if rate := answers_tok_per_s(answers):
                    found.setdefault(number, {})[at] = rate
        return found

    def step_ns(self) -> dict[Round, float]:
        """Nanoseconds of a token after the first, in each round."""
        return {
            at: 1e9 / rate
            for at, trials in self.answers.items()
            if (rate := answers_tok_per_s([it for trial in trials for it in trial]))
        }
