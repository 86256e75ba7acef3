"""What a fleet is to measure, who is told how it goes, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import ExitCode
from harness.files import FetchProgress
from harness.fleet.order import Hello
from harness.measure.session import SessionResult
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Run, Stop

PATIENCE_NS = 10 * 60 * 10**9
"""How long a machine that is lost is waited for before the rest of its plan is left for later."""


@dataclass(frozen=True)
class HostPlan:
    """What one machine measures: the words of `harness run`, models and options, on that host."""

    host: str
    argv: tuple[str, ...]


class FleetObserver(Protocol):
    """
    Told what happens. Each host has a thread of its own, and only one of them is here at a time.
    """

    def joined(self, host: str, hello: Hello) -> None:
        """The worker of the host is there."""

    def fetching(self, host: str, progress: FetchProgress) -> None:
        """How far the host is with making its models available; about once a second."""

    def prepared(self, host: str, experiment: Experiment, notes: Sequence[str]) -> None:
        """
        The host knows its models and is about to begin; `notes` are to be said before. Of an
        interrupted experiment `resumed` comes first.
        """

    def resumed(self, host: str, runs: Sequence[Run], stops: Sequence[Stop]) -> None:
        """An interrupted experiment of the host goes on behind these Runs."""

    def waiting(self, host: str, message: str) -> None:
        """Another measurement holds the machine, in a sentence."""

    def cell_sent(self, host: str, number: int, configuration: Configuration, n_left: int) -> None:
        """
        The machine is to make Run `number` (from 1) of its experiment.

        Args:
            host: Of the machine.
            number: Of the Run.
            configuration: What is measured.
            n_left: Runs that are still to come at most, with this one.
        """

    def run_finished(self, host: str, run: Run, stop: Stop | None) -> None:
        """A Run is complete and stored here; with `stop`, the last of its configuration."""

    def lost(self, host: str, reason: str) -> None:
        """The worker is gone; it is waited for."""

    def back(self, host: str) -> None:
        """A worker of the host is there again; what it was at is sent again."""

    def gave_up(self, host: str, reason: str) -> None:
        """The rest of the host's plan is left; what it measured is kept, to be gone on with."""

    def finished(self, host: str, result: SessionResult) -> None:
        """The host is through with its plan, or was interrupted."""


class Links(Protocol):
    """What whoever started the workers knows of them; each answer is None where it is nothing."""

    def why_lost(self, host: str) -> str | None:
        """Why the connection to the host ended, in words."""

    def why_out(self, host: str) -> str | None:
        """Why it is not begun again: the host is not waited for any longer."""


@dataclass(frozen=True)
class FleetResult:
    """
    What came of a fleet: by host what was measured, and why what was not.

    `complete` are hosts that had measured all of the same plan before.
    """

    results: Mapping[str, SessionResult] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    is_interrupted: bool = False
    complete: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """What the command answers with."""
        if self.is_interrupted:
            return ExitCode.INTERRUPTED
        # A host that was given up is interrupted, and the fleet was not; and one whose record could
        # not be kept whole is among the failures too.
        if self.failures or any(result.exit_code for result in self.results.values()):
            return ExitCode.ERROR
        return ExitCode.DONE
