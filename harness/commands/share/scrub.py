"""
An experiment as it may be passed on: built anew from fields that are known to tell nothing of
anybody, so that a field somebody adds is left out until somebody decides on it (rules.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from harness.commands.share import words
from harness.commands.share.model_names import PublicNames, SharedName, shared_names
from harness.records.store import StoredExperiment
from harness.schema.experiment import End, Experiment, Run
from harness.schema.moment import utc_time
from harness.schema.record import Record

_AnyRecord = TypeVar("_AnyRecord", bound=Record)
Rule = Callable[["Scrubber", Record, Any], Any]
"""What becomes of a field: of a value of a record, by what is known of the experiment."""
Rules = Mapping[type[Record], Mapping[str, Rule]]

_MOST_DAYS = 365


@dataclass(frozen=True)
class Change:
    """
    Something that is not in the shared file as it was.

    Attributes:
        what: Which kind of thing.
        before: Each different text of it once, in the order met.
        after: What stands for each; "" where nothing does.
    """

    what: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class SharedExperiment:
    """What is shared of an experiment, and what of it is not; `end` as in StoredExperiment."""

    experiment: Experiment
    runs: tuple[Run, ...]
    end: End | None
    changes: tuple[Change, ...]


def shared(
    stored: StoredExperiment, rules: Rules, public: PublicNames, *, keeps_names: bool = False
) -> SharedExperiment:
    """
    The experiment without what could tell who measured, or where.

    Args:
        stored: As it was kept.
        rules: What becomes of each field.
        public: Names of models that may be told.
        keeps_names: Whether all other names of models are told too.
    """
    plan = stored.experiment.plan
    models = {it.key: it for it in (*plan.models, *plan.drafts)}.values()
    names = shared_names(models, public, keeps_all=keeps_names)
    scrubber = Scrubber(rules, names, stored.experiment.started_at)
    experiment = scrubber.record(stored.experiment)
    scrubber.changed("time of day", stored.experiment.started_at, experiment.started_at)
    runs = tuple(scrubber.record(run) for run in stored.runs)
    end = scrubber.record(stored.end) if stored.end else None
    return SharedExperiment(experiment, runs, end, scrubber.changes)


class Scrubber:
    """Makes records anew by their rules, and remembers what it changed."""

    def __init__(self, rules: Rules, names: Mapping[str, SharedName], started_at: str) -> None:
        self._rules = rules
        self._names = dict(names)
        self._began = utc_time(started_at)
        self._renamed: dict[tuple[str, str], str] = {}
        self._changes: dict[str, dict[str, str]] = {}

    @property
    def changes(self) -> tuple[Change, ...]:
        """What was changed so far."""
        return tuple(
            Change(what, tuple(texts), tuple(texts.values()))
            for what, texts in self._changes.items()
        )

    def record(self, record: _AnyRecord) -> _AnyRecord:
        """The same with what its rules leave of it."""
        rules = self._rules[type(record)]
        facts = {name: rules[name](self, record, value) for name, value in record if name in rules}
        return type(record).model_validate(facts)

    def inside(self, value: Any) -> Any:
        """Records at any depth of `value`, each made anew; numbers and None as they are."""
        match value:
            case Record():
                return self.record(value)
            case tuple():
                return tuple(self.inside(each) for each in value)
            case _:
                assert value is None, "a rule of rules.py is for records"
                return None

    def changed(self, what: str, before: str, after: str) -> str:
        """`after`, which stands for `before`; remembered where they differ."""
        if before != after:
            self._changes.setdefault(what, {}).setdefault(before, after)
        return after

    def model(self, key: str) -> SharedName:
        """What a model is called; one that no plan names gets a number."""
        if key not in self._names:
            name = f"model-{len(self._names) + 1}"
            self._names[key] = SharedName(name, f"{name}.gguf", is_known=False)
        return self._names[key]

    def renamed(self, kind: str, text: str) -> str:
        """A name by its kind and a number, the same one for the same text."""
        n = 1 + sum(known == kind for known, _ in self._renamed)
        return self._renamed.setdefault((kind, text), f"{kind}-{n}")

    def moment(self, text: str) -> str:
        """
        The time, as if the measurement had begun at midnight UTC of its day.

        How long after the beginning it was stays, up to a year; what was before it was then.
        """
        since = utc_time(text) - self._began
        kept = min(max(since, timedelta(0)), timedelta(days=_MOST_DAYS))
        midnight = datetime.combine(self._began.date(), datetime.min.time(), tzinfo=UTC)
        try:
            return utc_time((midnight + kept).isoformat(timespec="seconds")).isoformat()
        except (OverflowError, ValueError):  # at the end of the calendar
            return midnight.isoformat()

    def identifier(self, text: str) -> str:
        """An id as it is, where the harness may have made it; else a number that looks like one."""
        if known := words.identifier(text):
            return known
        number = self.renamed("id", text).removeprefix("id-")
        return self.changed("id", text, f"{int(number):08x}")
