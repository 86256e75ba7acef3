"""How much of its time each model of a plan has spent, and how long the rest may take."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from harness.schema.configuration import Configuration
from harness.schema.experiment import Plan, Run
from harness.schema.model import ModelKey
from harness.schema.moment import utc_time
from harness.schema.settings import AnySettings

# Two readings of the memory's bandwidth and a process that begins take some seconds, on a machine
# that is busy some ten.
_MOST_BESIDE_NS = 60 * 10**9


class Budget:
    """
    The time of each model of `plan`, as its Runs spend it.

    A configuration's first Run is always made, and another one if as much time is left as its Runs
    take in the median.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._spent_ns = dict.fromkeys((file.key for file in plan.models), 0)
        self._taken_ns: defaultdict[tuple[ModelKey, AnySettings], list[int]] = defaultdict(list)

    def take(self, run: Run, taken_ns: int | None = None) -> None:
        """
        Counts a Run that is over.

        Args:
            run: How long one that was interrupted would have taken is not known.
            taken_ns: With what belongs to it before and after its worker; None: nothing.
        """
        taken_ns = run.duration_ns if taken_ns is None else taken_ns
        self._spent_ns[run.model] += taken_ns
        if run.outcome.reason != "interrupted":
            self._taken_ns[run.model, run.settings].append(taken_ns)

    def take_stored(self, runs: Sequence[Run]) -> None:
        """
        Counts the Runs of a record, in their order.

        How long each took with what belongs to it is told by when the next one began. Where that
        was longer after its end than anything takes, another session measured the next one.
        """
        for run, following in itertools.zip_longest(runs, runs[1:]):
            gap = utc_time(following.started_at) - utc_time(run.started_at) if following else None
            gap_ns = round(gap.total_seconds() * 1e9) if gap else 0
            is_near = run.duration_ns <= gap_ns <= run.duration_ns + _MOST_BESIDE_NS
            self.take(run, gap_ns if is_near else None)

    def left_ns(self, model: ModelKey) -> int:
        """What the model has left."""
        return max(0, self._plan.budget_ns - self._spent_ns[model])

    def n_runs(self, configuration: Configuration) -> int:
        """Its Runs so far, without those that were interrupted."""
        return len(self._runs_ns(configuration))

    def has_time(self, configuration: Configuration) -> bool:
        """Whether one more Run, as long as its others have been, fits into the model's budget."""
        spent_ns = self._spent_ns[configuration.model.key]
        return spent_ns + self._usual_ns(configuration) <= self._plan.budget_ns

    def most_ns(self, unfinished: Sequence[Configuration]) -> int:
        """
        How long the Runs of `unfinished` that are still to be made take at most.

        Each may be precise earlier. Where a model has no Run yet, it is its budget.
        """
        by_model: defaultdict[ModelKey, list[Configuration]] = defaultdict(list)
        for configuration in unfinished:
            if not self.n_runs(configuration) or self.has_time(configuration):
                by_model[configuration.model.key].append(configuration)
        return sum(self._most_ns(key, each) for key, each in by_model.items())

    def _most_ns(self, model: ModelKey, going: Sequence[Configuration]) -> int:
        of_model = [
            taken for (key, _), runs in self._taken_ns.items() if key == model for taken in runs
        ]
        if not of_model or self._plan.search:
            return self.left_ns(model)
        usual_ns = round(median(of_model))
        expected = [(self._usual_ns(each) or usual_ns, self.n_runs(each)) for each in going]
        first_ns = sum(each_ns for each_ns, n_runs in expected if not n_runs)
        all_ns = sum(each_ns * (self._plan.n_runs_max - n_runs) for each_ns, n_runs in expected)
        # What has no Run yet gets one, were the budget spent.
        return max(first_ns, min(all_ns, self.left_ns(model)))

    def _usual_ns(self, configuration: Configuration) -> int:
        """What its Runs take in the median; 0 before the first."""
        runs_ns = self._runs_ns(configuration)
        return round(median(runs_ns)) if runs_ns else 0

    def _runs_ns(self, configuration: Configuration) -> Sequence[int]:
        return self._taken_ns.get((configuration.model.key, configuration.settings), ())
