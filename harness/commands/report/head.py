"""What stands above and below the figures: the conclusion, machines, builds, trust, method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis.finding import Level
from harness.analysis.metrics import METRICS
from harness.commands.report.report import ReportResult
from harness.records.listing import some_of
from harness.report import legend
from harness.report.measured_page import MeasuredResult
from harness.report.page import Cell, Column, Facts, Note, Page, Table
from harness.report.scope import Scope, moment_text
from harness.report.verdict_page import MOST_BESIDE, conclusion
from harness.schema.experiment import Experiment

_COLUMNS = (
    Column("experiment"),
    Column("started (UTC)"),
    Column("machine"),
    Column("models"),
    Column("Runs", align="right"),
    Column("ended"),
)
MOST_PROBLEMS = 20
"""As many files that cannot be read are named; a folder of strangers may hold thousands."""
_METHOD = (
    "Measured: each Run is a process of its own, which loads the model and makes some trials of "
    "each workload; a figure is the median over Runs. Rehearsed: the same with random weights "
    "behind the model's header, so that speed and memory are the model's. Predicted: nothing was "
    "measured; the figure follows from the model's header and this machine's memory. (Chapters: "
    "workloads.md, synthetic-models.md, predicted-speed.md.)",
    "Intervals of a figure hold the true median in 95 of 100 cases; they need six Runs. "
    "Those of a ratio are of 99 %, those of a prediction are made to hold 9 of 10 measurements. "
    "(Chapters: statistics.md, comparing.md.)",
    "Disturbed: other programs took the CPU during a trial. It is kept, shown and left out of the "
    "figure. (Chapter: disturbance.md.)",
    "Verdicts are about people: 6 tokens a second are read as fast as they come, 20 are "
    "comfortable; the first of them after a prompt of 1,024 should come within 10 or 2 seconds. "
    "(Chapter: verdicts.md.)",
    "Gate: a regression is worse than the time before by more than is allowed, with its whole "
    "interval. (Chapter: gate.md.)",
    "The chapters are files in docs/method/ of the harness's source.",
)


def head(result: ReportResult, found: Sequence[Scope]) -> Page:
    """The plain conclusion, what it was measured on, and what is missing."""
    experiments = [it.experiment for it in result.measured]
    n_more = len(found) - MOST_BESIDE
    facts: list[tuple[str, Cell]] = [
        ("Machine", f"{it.name} ({it.machine.id})") for it in found[:MOST_BESIDE]
    ]
    sentences = list(conclusion(found[:MOST_BESIDE]))
    if n_more > 0:
        facts.append(("Machines", f"{n_more} more with details below{_in_all(result)}"))
        sentences.append(f"{units.counted(n_more, 'more machine')}: see Verdicts.")
    engines = dict.fromkeys(group.engine.title for it in result.measured for group in it.groups)
    facts += [("Engine", text) for text in engines]
    facts.append(("Measured", _period(experiments)))
    cases = f"{result.n_cases} case{'' if result.n_cases == 1 else 's'}"
    facts.append(("Shown", f"{cases} of {_counted(len(experiments))}"))
    return (
        Note(tuple(sentences)),
        Facts(tuple(facts)),
        *((Note(tuple(left_out(result)), "finding"),) if result.n_cases_left else ()),
        *((Note(_problems(result), "warning", "Passed over"),) if result.problems else ()),
    )


def _in_all(result: ReportResult) -> str:
    n = len(result.machines.machines) if result.machines else 0
    return f", of {n} side by side" if n else ""


def left_out(result: ReportResult) -> Iterator[str]:
    """That there was no room for everything, and how to see the rest."""
    if result.n_cases_left:
        older = _counted(result.n_experiments_left) if result.n_experiments_left else "these"
        beside = " but side by side under Machines" if result.machines else ""
        yield (
            f"{result.n_cases_left} more cases of {older} are not shown{beside}; name what you "
            "want to see, as in `harness report latest` or `harness report MODEL`."
        )


def about(result: ReportResult) -> Page:
    """Every finding, those that weigh most first, and where the figures come from."""
    told: dict[str, list[str]] = {}
    level_of: dict[str, Level] = {}
    for it in result.measured:
        for finding in it.findings:
            told.setdefault(finding.text, []).append(it.experiment.id)
            level_of[finding.text] = finding.level
    n = len(result.measured)
    notes = []
    for level, marked in (("error", "warning"), ("warning", "finding"), ("info", "text")):
        lines = tuple(
            _attributed(text, ids, n) for text, ids in told.items() if level_of[text] == level
        )
        if lines:
            notes.append(Note(lines, marked))  # type: ignore[arg-type]
    return (*notes, Table(_COLUMNS, tuple(map(_row, result.measured)), "Experiments"))


def method(found: Sequence[Scope]) -> Page:
    """What each figure means, in short."""
    names = {
        name
        for scope in found
        for shown in scope.shown
        for metrics in (
            shown.group.metrics,
            *(case.metrics | case.disturbed for case in shown.group.cases),
        )
        for name in metrics
    }
    energies = dict.fromkeys(
        case.energy.text
        for scope in found
        for shown in scope.shown
        for case in shown.group.cases
        if "joules_per_token" in case.metrics
    )
    shown_metrics = [name for name in METRICS if name in names]
    lines = legend.formulas(shown_metrics, energies)
    return (Note(_METHOD), Note(tuple(lines), title="Formulas"))


def _attributed(text: str, ids: Sequence[str], n: int) -> str:
    return text if len(ids) == n else f"{', '.join(ids)}: {text}"


def _problems(result: ReportResult) -> tuple[str, ...]:
    """Without the folders, whose names are nobody's business who gets the page."""
    folders = [str(folder) for folder in result.folders]
    return tuple(_without(text, folders) for text in some_of(result.problems, MOST_PROBLEMS))


def _without(text: str, folders: Sequence[str]) -> str:
    for folder in sorted(folders, key=len, reverse=True):
        text = text.replace(f"{folder}/", "").replace(f"{folder}\\", "")
    return text


def _period(experiments: Sequence[Experiment]) -> str:
    times = sorted(moment_text(it.started_at) for it in experiments)
    return f"{times[0]} UTC" if times[0] == times[-1] else f"{times[0]} to {times[-1]} UTC"


def _counted(n: int) -> str:
    return f"{n} experiment{'' if n == 1 else 's'}"


def _row(measured: MeasuredResult) -> tuple[Cell, ...]:
    experiment = measured.experiment
    runs = {id(run): run for group in measured.groups for run in group.experiment_runs}
    ended = ", ".join(dict.fromkeys(stop.reason for stop in measured.stops))
    return (
        experiment.id,
        moment_text(experiment.started_at),
        experiment.machine.id,
        ", ".join(model.key for model in experiment.plan.models),
        len(runs),
        "imported" if experiment.origin == "llama-bench" else ended or "cut short",
    )
