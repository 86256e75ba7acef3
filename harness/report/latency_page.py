"""How long single tokens take, and what a long generation does to the speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness import units
from harness.analysis import disturbance, formulas
from harness.analysis.cases import Case
from harness.analysis.metrics import METRICS
from harness.analysis.verdict import SUSTAINED_LEAST_RATIO
from harness.report.page import Cell, Column, Page, Table
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.scope import Scope, Shown
from harness.schema.experiment import Run, Trial
from harness.schema.workload import Sustain, parse_workload

_PERCENTILES = ("itl_p50", "itl_p95", "itl_p99")
_SUSTAINED = ("tok_per_s", "first_quarter", "last_quarter", "throttle_ratio")
_THROTTLING = ("thermal throttling", "quota throttling")
# More rows and bars than these are too small to be read, and heavy; the table has them all.
_MOST_ROWS, _N_BARS = 20, 24
_MOST_POINTS = 600
# What is slower than all but one in two hundred would press the rest into the first bar.
_SHOWN_SHARE = 0.995


# ------------------------------------------------------------------ gaps between tokens


@dataclass(frozen=True, slots=True)
class _Gaps:
    """What lies between the tokens of a case in its clean trials, sorted."""

    shown: Shown
    case: Case
    ns: tuple[int, ...]


def itl_page(scope: Scope) -> Page:
    """The distribution of inter-token latencies of each case that has them; else nothing."""
    known = [gaps for shown in scope.shown for gaps in _gaps(shown)]
    if not known:
        return ()
    columns = (
        Column("configuration"),
        Column("workload"),
        *(
            Column(METRICS[name].label, align="right", interval="95 % interval")
            for name in _PERCENTILES
        ),
        Column("gaps", align="right"),
    )
    rows = tuple(
        (
            it.shown.name,
            it.case.workload,
            *(it.case.metrics.get(name) for name in _PERCENTILES),
            len(it.ns),
        )
        for it in known
    )
    legend = ["Percentiles are of each Run, the figure is their median. Clean trials alone."]
    if len(known) > _MOST_ROWS:
        legend.append(f"The picture has the first {_MOST_ROWS} rows.")
    title = scope.title("Inter-token latency")
    table = Table(columns, rows, title, tuple(legend), is_grouped=True)
    return (_histogram(scope, known[:_MOST_ROWS]), table)


def _gaps(shown: Shown) -> Iterator[_Gaps]:
    machine = shown.group.experiment.machine
    for case in shown.group.cases:
        if "itl_p50" not in case.metrics:
            continue
        steps = [
            step
            for run in case.runs
            for trial in formulas.trials_of(run, case.workload)
            if formulas.why_disturbed(trial, run, machine) is None
            for step in trial.step_ns
            if step > 0
        ]
        if steps:
            yield _Gaps(shown, case, tuple(sorted(steps)))


def _histogram(scope: Scope, known: Sequence[_Gaps]) -> Picture:
    low = min(it.ns[0] for it in known) / 1e6
    high = max(it.ns[int((len(it.ns) - 1) * _SHOWN_SHARE)] for it in known) / 1e6
    return Picture(
        title=scope.title("Time between two tokens; further left is faster"),
        name=scope.file_name("itl"),
        drawing="histogram",
        marks=tuple(mark for it in known for mark in _bars(scope, it, low, high)),
        x=Axis("ms", is_log=True),
        y=Axis("gaps"),
        series_title="case",
    )


def _bars(scope: Scope, gaps: _Gaps, low: float, high: float) -> Iterator[Mark]:
    """Bars of equal factors from `low` to `high` milliseconds; the last has what took longer."""
    step = max(high / low, 1.01) ** (1 / _N_BARS)
    edges = [low * step**at for at in range(_N_BARS + 1)]
    counts = [0] * _N_BARS
    at = 0
    for ns in gaps.ns:
        while at < _N_BARS - 1 and ns / 1e6 >= edges[at + 1]:
            at += 1
        counts[at] += 1
    about = f"{gaps.shown.name}: {gaps.case.workload}"
    for at, n in enumerate(counts):
        if n:
            is_last = at == _N_BARS - 1
            first, last = units.duration(edges[at] * 1e6), units.duration(edges[at + 1] * 1e6)
            between = f"{first} and longer" if is_last else f"{first} to {last}"
            yield Mark(
                x=edges[at] * step**0.5,
                y=n,
                label=f"{about}, {n} of {len(gaps.ns)} gaps took {between}",
                series=scope.row(gaps.shown, gaps.case.workload),
                low=edges[at],
                high=edges[at + 1],
                evidence=gaps.shown.evidence,
            )


# ------------------------------------------------------------------ long generations


@dataclass(frozen=True, slots=True)
class _Sustained:
    shown: Shown
    case: Case
    trials: tuple[tuple[Run, Trial], ...]

    @property
    def throttled(self) -> list[str]:
        """By what, of all of its trials."""
        found = [
            label
            for _, trial in self.trials
            if trial.counters
            for label in disturbance.labels(trial.counters, None)
        ]
        return [label for label in _THROTTLING if label in found]

    @property
    def is_slower(self) -> bool:
        ratio = self.case.metrics.get("throttle_ratio")
        return ratio is not None and ratio.value < SUSTAINED_LEAST_RATIO


def sustain_page(scope: Scope) -> Page:
    """Tokens a second over the time of `sustain`; nothing where it was not measured."""
    known = [it for shown in scope.shown for it in _sustained(shown)]
    if not known:
        return ()
    columns = (
        Column("configuration"),
        Column("workload"),
        *(Column(METRICS[name].label, align="right") for name in _SUSTAINED),
        Column("throttling"),
    )
    share = units.percent(SUSTAINED_LEAST_RATIO)
    title = scope.title("Sustained generation")
    legend = (
        "First, last: rates over the first and the last quarter. What ends below "
        f"{share} of its beginning is judged by its end.",
    )
    table = Table(columns, tuple(map(_sustained_row, known)), title, legend)
    picture = _over_time(scope, known)
    return (picture, table) if picture.marks else (table,)


def _sustained(shown: Shown) -> Iterator[_Sustained]:
    for case in shown.group.cases:
        if isinstance(parse_workload(case.workload), Sustain):
            trials = tuple(
                (run, trial)
                for run in case.runs
                for trial in formulas.trials_of(run, case.workload)
                if trial.window_ns and len(trial.window_ns) == len(trial.window_tokens)
            )
            if trials or case.metrics:
                yield _Sustained(shown, case, trials)


def _sustained_row(it: _Sustained) -> tuple[Cell, ...]:
    figures = it.case.metrics or it.case.disturbed
    seen = ", ".join(it.throttled) or ("slower at its end" if it.is_slower else "none seen")
    name = it.shown.name
    return (name, it.case.workload, *(figures.get(each) for each in _SUSTAINED), seen)


def _over_time(scope: Scope, known: Sequence[_Sustained]) -> Picture:
    n_each = max(10, _MOST_POINTS // len(known))
    marks = tuple(mark for it in known for mark in _line(scope, it, n_each))
    rules: tuple[Rule, ...] = ()
    first = known[0].case.metrics.get("first_quarter")
    if len(known) == 1 and first is not None:
        limit = first.value * SUSTAINED_LEAST_RATIO
        text = f"{units.percent(SUSTAINED_LEAST_RATIO)} of its beginning: below it is throttled"
        rules = (Rule(limit, text, "y"),)
    return Picture(
        title=scope.title("Speed of a long generation over time, the median over Runs"),
        name=scope.file_name("sustain"),
        drawing="lines",
        marks=marks,
        x=Axis("s", includes_zero=True),
        y=Axis("tok/s", includes_zero=True),
        rules=rules,
        series_title="case",
    )


def _line(scope: Scope, it: _Sustained, n_most: int) -> Iterator[Mark]:
    """The windows of all trials together, each moment the median over them."""
    machine = it.shown.group.experiment.machine
    clean = [t for r, t in it.trials if formulas.why_disturbed(t, r, machine) is None]
    trials = clean or [trial for _, trial in it.trials]
    if not trials:
        return
    n_windows = max(len(trial.window_ns) for trial in trials)
    step = -(-n_windows // n_most)
    beginning = it.case.metrics.get("first_quarter")
    row = scope.row(it.shown, it.case.workload)
    for start in range(0, n_windows, step):
        rates, ends = [], []
        for trial in trials:
            part = slice(start, start + step)
            spent_ns = sum(trial.window_ns[part])
            if spent_ns > 0:
                rates.append(sum(trial.window_tokens[part]) / spent_ns * 1e9)
                ends.append(sum(trial.window_ns[: start + step]) / 1e9)
        if not rates:
            continue
        rate, at = median(rates), median(ends)
        share = rate / beginning.value if beginning and beginning.value else 1.0
        slow = ""
        if share < SUSTAINED_LEAST_RATIO:
            slow = f", throttled: {units.percent(share)} of its beginning"
        text = f"{it.shown.name}: {it.case.workload} after {units.significant(at)} s"
        yield Mark(
            x=at,
            y=rate,
            label=f"{text}, {units.significant(rate)} tok/s{slow}",
            series=row,
            low=min(rates),
            high=max(rates),
            evidence=it.shown.evidence,
            is_disturbed=not clean,
        )
