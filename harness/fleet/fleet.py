"""A plan for several machines, measured: each has an experiment of its own, and a thread here."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from harness import interrupts
from harness.errors import HarnessError, UsageError
from harness.fleet.cluster import Cluster
from harness.fleet.desk import Desk, GaveUp, Office, Watch
from harness.fleet.job import Prepare, Prepared, progress_topic, read_progress
from harness.fleet.plan import PATIENCE_NS, FleetObserver, FleetResult, HostPlan, Links
from harness.fleet.remote_maker import RemoteMaker
from harness.fleet.stored import Begun, begun
from harness.measure.load_sweep import sweep_of
from harness.measure.maker import Task
from harness.measure.protocol import Event
from harness.measure.session import SessionResult, kept
from harness.measure.sweep import Result
from harness.records.store import ExperimentWriter, StoredExperiment
from harness.schema.configuration import Configuration, configurations_of
from harness.schema.experiment import Experiment, Run, Stop
from harness.schema.fleet import FleetPart

_LOOK_S = 0.2


def measure_fleet(
    plans: Sequence[HostPlan],
    plan_sha256: str,
    cluster: Cluster,
    results: Path,
    observer: FleetObserver,
    *,
    patience_ns: int = PATIENCE_NS,
    links: Links | None = None,
    before: Begun | None = None,
) -> FleetResult:
    """
    Measures each host's plan on it, all at the same time; Runs are stored here as they come.

    What is there of the same plan is gone on with: a host that has measured all of its part, or
    whose record is damaged, is not asked. To be called in the main thread, which gets the signals.

    Args:
        plans: One for each host.
        plan_sha256: Tells the plan from others.
        cluster: Where the workers are.
        results: Folder of the experiment files.
        observer: Told what happens.
        patience_ns: How long a host is waited for.
        links: What whoever started the workers knows of them.
        before: What is stored of the plan, where that has been read; an empty one measures all of
            it anew.

    Raises:
        UsageError: A host is named twice.
        ResultsInvalid: The folder of results cannot be read.
    """
    if len({plan.host for plan in plans}) < len(plans):
        raise UsageError("A host has two plans; name each once")
    if before is None:
        before = begun(results, plan_sha256)
    settled, complete = before.settled, before.complete
    office = Office(cluster, Watch(cluster.members), observer, links, patience_ns)
    hosts = [
        _Host(
            plan,
            FleetPart(id=before.id, plan_sha256=plan_sha256, host=plan.host),
            results,
            office,
            before.parts.get(plan.host),
        )
        for plan in plans
        if plan.host not in settled
    ]
    with interrupts.held():
        is_interrupted = _run_all(hosts, office)
    found = {host.name: host.result for host in hosts if host.result}
    known = {plan.host for plan in plans}
    stored = {name: result_of(it) for name, it in complete.items() if name in known}
    failures = {host.name: host.failure for host in hosts if host.failure}
    failures |= {name: why for name, why in before.damaged.items() if name in known}
    return FleetResult({**stored, **found}, failures, is_interrupted, tuple(stored))


def _run_all(hosts: Sequence[_Host], office: Office) -> bool:
    """All of them at once; whether a signal ended them. What a thread raised is raised here."""
    is_interrupted = False
    with concurrent.futures.ThreadPoolExecutor(max(1, len(hosts))) as threads:
        running = [threads.submit(host.run) for host in hosts]
        while concurrent.futures.wait(running, _LOOK_S).not_done:
            try:
                interrupts.check()
            except KeyboardInterrupt:
                is_interrupted = True
                office.stopping.set()
    for each in running:
        each.result()
    return is_interrupted


class _Host:
    """
    One host's plan, from its worker's coming to its last Run.

    Attributes:
        result: What was measured, once it is over; None where nothing was begun.
        failure: Why its plan is not done; None: it is, or a signal ended it.
    """

    def __init__(
        self,
        plan: HostPlan,
        part: FleetPart,
        results: Path,
        office: Office,
        stored: StoredExperiment | None,
    ) -> None:
        self.name = plan.host
        self.result: SessionResult | None = None
        self.failure: str | None = None
        self._argv = plan.argv
        self._part = part
        self._results = results
        self._office = office
        self._stored = stored
        self._desk = Desk(office, plan.host)

    def run(self) -> None:
        """All of it; whatever goes wrong is this host's alone."""
        try:
            with ExitStack() as stack:
                self._run(stack)
        except KeyboardInterrupt:
            return
        except HarnessError as error:
            self.failure = self._desk.gave_up or str(error)
        if self.failure is not None:
            with self._office.telling:
                self._office.observer.gave_up(self.name, self.failure)

    def _run(self, stack: ExitStack) -> None:
        observer, telling = self._office.observer, self._office.telling
        self._office.cluster.hear(progress_topic(self.name), self._hear)
        hello = self._desk.join()
        with telling:
            observer.joined(self.name, hello)
        prepared = self._prepared()
        experiment = prepared.experiment
        writer = stack.enter_context(self._writer(experiment))
        runs, stops = self._before()
        if self._stored:
            with telling:
                observer.resumed(self.name, runs, stops)
        with telling:
            observer.prepared(self.name, experiment, prepared.notes)
        watcher = _Watcher(self.name, experiment, self._office, runs, stops)
        maker = RemoteMaker(self._desk, self._argv, experiment, writer.path, watcher.sent)
        sweep = sweep_of(experiment.plan)(
            experiment,
            maker,
            writer,
            watcher,
            is_in_turns=prepared.is_in_turns or any(run.is_in_turns for run in runs),
            runs=runs,
            stops=stops,
        )
        result = sweep.measure()
        self.result = kept(experiment, result, writer.path, prepared.why_apart)
        # A record that could not be kept whole is behind what is measured, and says where that is.
        self.failure = str(result.error) if result.error else self._desk.gave_up
        with telling:
            observer.finished(self.name, self.result)

    def _hear(self, text: object) -> None:
        """What the host fetches; one that tells something else is not listened to."""
        try:
            progress = read_progress(text)
        except HarnessError:
            return
        with self._office.telling:
            self._office.observer.fetching(self.name, progress)

    def _prepared(self) -> Prepared:
        """How the experiment begins, or goes on."""
        before = self._stored.experiment if self._stored else None
        answered = self._desk.ask(Prepare(argv=self._argv, fleet=self._part, experiment=before))
        answer = answered.answer
        if not isinstance(answer, Prepared):
            raise GaveUp(f"{self.name} answered with something else than was asked for")
        if before is not None:
            return answer.model_copy(update={"experiment": before})
        part = self._part.model_copy(update={"clock_offset_ns": answered.clock_offset_ns})
        experiment = answer.experiment.model_copy(update={"fleet": part})
        return answer.model_copy(update={"experiment": experiment})

    def _writer(self, experiment: Experiment) -> ExperimentWriter:
        if self._stored is not None:
            return ExperimentWriter.reopened(self._stored)
        return ExperimentWriter(self._results, experiment)

    def _before(self) -> tuple[tuple[Run, ...], tuple[Stop, ...]]:
        if self._stored is None:
            return (), ()
        return self._stored.runs, self._stored.stops


class _Watcher:
    """Tells the fleet's observer what a Sweep tells its own, and how much is left."""

    def __init__(
        self,
        host: str,
        experiment: Experiment,
        office: Office,
        runs: Sequence[Run],
        stops: Sequence[Stop],
    ) -> None:
        self._host = host
        self._office = office
        n_runs_max = experiment.plan.n_runs_max
        self._left = dict.fromkeys(configurations_of(experiment.plan), n_runs_max)
        for run in runs:
            self._take(run, None)
        for stop in stops:
            if stop.reason != "interrupted":
                self._left |= {each: 0 for each in self._left if each.is_of(stop)}

    def sent(self, task: Task) -> None:
        """A Run is about to be sent."""
        n_left = sum(self._left.values())
        with self._office.telling:
            self._office.observer.cell_sent(self._host, task.index + 1, task.configuration, n_left)

    def run_started(self, number: int, configuration: Configuration) -> None:
        """Nothing: `sent` was told."""

    def event(self, number: int, event: Event) -> None:
        """Nothing: what a worker tells stays on its machine."""

    def run_finished(self, run: Run, stop: Stop | None) -> None:
        """A Run is complete and stored."""
        self._take(run, stop)
        with self._office.telling:
            self._office.observer.run_finished(self._host, run, stop)

    def _take(self, run: Run, stop: Stop | None) -> None:
        for each in self._left:
            if each.is_of(run):
                self._left[each] = 0 if stop else max(0, self._left[each] - 1)


def result_of(stored: StoredExperiment) -> SessionResult:
    """What a host has measured, as it is stored."""
    result = Result(list(stored.runs), list(stored.stops))
    return SessionResult(stored.experiment, result, stored.path)
