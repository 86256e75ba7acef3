"""What guessing tokens ahead gains, by task: a sentence, tables, and a picture around 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis.metrics import METRICS
from harness.analysis.speculation import (
    TEXTS_CONFIDENCE,
    GuessedTask,
    Guessing,
    batch_workloads,
    guessings,
    has_batches,
)
from harness.analysis.stats.ratio import CONFIDENCE, Comparison, Verdict
from harness.report import legend
from harness.report.cells import NOTHING, without_figure
from harness.report.loads_page import Named
from harness.report.page import Cell, Column, Page, Table, notes
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.ratios import ratio_of
from harness.report.scope import Scope
from harness.schema.settings import NGRAM, Settings

FORMULA = (
    "Times as fast: decode tok/s with guesses / without, by rounds. Predicted of it: tokens a step "
    "/ (cost of the step's batch in that of one token, measured with verifyN, + time spent "
    "guessing in that of a token), by rounds. Over texts: the same ratio of each of a task's "
    "texts; the interval is over them. Whole answer: prompt included. Same tokens: how many both "
    "answers have in common from their beginning; batches of other widths round otherwise."
)
_SHARE = f"{CONFIDENCE * 100:.0f} % interval"
_GAINS = (
    Column("task"),
    Column("without", align="right"),
    Column("with", align="right", interval="95 % interval", is_interval_optional=True),
    Column(METRICS["accepted_ratio"].label, align="right"),
    Column(METRICS["tokens_per_step"].label, align="right"),
    Column("times as fast", align="right", interval=_SHARE),
    Column("n", align="right"),
)
_PREDICTED = (
    Column("task"),
    Column("predicted", align="right", interval=_SHARE),
    Column("measured / that", align="right", interval=_SHARE),
    Column("over texts", align="right", interval=f"{TEXTS_CONFIDENCE * 100:.0f} % interval"),
    Column("whole answer", align="right"),
    Column("same tokens", align="right"),
)


def guessing_sentences(groups: Named) -> list[str]:
    """Where guessing pays and where not, a sentence for each configuration that guesses."""
    found = []
    for name, guessing in _named(groups):
        told = _told(guessing.tasks)
        found += [f"{name} {told}."] if told else []
        found += list(_unlike(guessing))
    return found


def guessing_tables(groups: Named) -> list[Table]:
    """For each configuration that guesses what it gained, and whether that was to be expected."""
    tables = []
    for name, guessing in _named(groups):
        gains = tuple(map(_gain, guessing.tasks))
        tables.append(Table(_GAINS, gains, name))
        if any(task.speed_up for task in guessing.tasks):
            rows = tuple(_expected(task) for task in guessing.tasks)
            title = f"Whether that is as predicted: {name[0].lower()}{name[1:]}"
            tables.append(Table(_PREDICTED, rows, title, tuple(_missing(guessing))))
    return tables


def guessing_page(scope: Scope) -> Page:
    """What guessing gained on a machine: in words, as a picture and as tables; or nothing."""
    groups = [(shown.name, shown.group) for shown in scope.shown]
    tables = guessing_tables(groups)
    if not tables:
        return ()
    picture = _picture(scope, groups)
    return (*notes(guessing_sentences(groups)), *([picture] if picture.marks else []), *tables)


def guesser(guessing: Guessing) -> str:
    """What guesses, and how far: "n-grams, up to 3 tokens ahead"."""
    settings = guessing.guessed.settings
    assert isinstance(settings, Settings)
    who = "n-grams" if settings.draft == NGRAM else settings.draft
    return f"{who}, up to {units.counted(guessing.n_most, 'token')} ahead"


def _named(groups: Named) -> list[tuple[str, Guessing]]:
    """Each with what it is called, behind its model and settings where there are several."""
    known = guessings([group for _, group in groups])
    names = {(each.model.key, each.settings): name for name, each in groups}
    n_plain = len({(it.plain.model.key, it.plain.settings) for it in known})
    return [
        (
            "Guessing by "
            + guesser(it)
            + (f" ({names[it.plain.model.key, it.plain.settings]})" if n_plain > 1 else ""),
            it,
        )
        for it in known
    ]


_WORDS: dict[Verdict, str] = {
    "better": "pays in",
    "worse": "does not pay in",
    "same": "changes nothing in",
    "inconclusive": "cannot be told to pay or not in",
}


def _told(tasks: Sequence[GuessedTask]) -> str:
    """Where it pays, with how much; where not; and where nobody can tell."""
    clauses = []
    for verdict, words in _WORDS.items():
        ratios = {
            task.workload: units.factor(task.speed_up.ratio)
            for task in tasks
            if task.speed_up and task.speed_up.verdict == verdict
        }
        listed = ", ".join(f"{name} ({ratio})" for name, ratio in ratios.items())
        clauses += [f"{words} {listed}"] if listed else []
    # What the numbers are is said with the first.
    return "; ".join(clauses).replace(")", " times as fast)", 1)


def _unlike(guessing: Guessing) -> Iterator[str]:
    """What does not lie where acceptance and batches put it: the page must not hide that."""
    outside = [
        f"{task.workload} ({units.factor(task.of_predicted.ratio)} times it)"
        for task in guessing.tasks
        if task.is_as_predicted is False and task.of_predicted
    ]
    if outside:
        yield f"That is not what acceptance and batches predict of {', '.join(outside)}."


def _bounds(comparison: Comparison) -> str:
    return f"{units.factor(comparison.low)} – {units.factor(comparison.high)}"


def _gain(task: GuessedTask) -> tuple[Cell, ...]:
    cases = task.plain, task.guessed
    plain, guessed = (case.metrics or case.disturbed for case in cases)
    mark = legend.DISTURBED_MARK if any(case.disturbed for case in cases) else ""
    rate: Cell = guessed.get("decode_tok_per_s")
    if rate is None:
        rate = without_figure(task.guessed)
    found = task.speed_up
    return (
        task.workload + mark,
        plain.get("decode_tok_per_s"),
        rate,
        guessed.get("accepted_ratio"),
        guessed.get("tokens_per_step"),
        ratio_of(found) if found else NOTHING,
        found.n if found else task.guessed.n_runs,
    )


def _expected(task: GuessedTask) -> tuple[Cell, ...]:
    found = task.predicted, task.of_predicted, task.of_texts, task.whole
    return task.workload, *(ratio_of(it) if it else NOTHING for it in found), _alike(task)


def _alike(task: GuessedTask) -> str:
    """Of the text that parts first and of the one that parts last: "9–96"."""
    if not task.n_alike:
        return NOTHING
    ends = dict.fromkeys((min(task.n_alike), max(task.n_alike)))
    return "–".join(map(str, ends))


def _missing(guessing: Guessing) -> Iterator[str]:
    """What to measure for a prediction, where there is none."""
    if any(task.predicted for task in guessing.tasks):
        return
    names = batch_workloads([guessing.n_most])
    if has_batches(guessing):
        yield "Nothing is predicted: no round has clean trials of batches and of answers."
    else:
        yield (
            f"Nothing is predicted without the cost of batches: add {','.join(names)} to "
            "--workload."
        )


def _picture(scope: Scope, groups: Named) -> Picture:
    known = _named(groups)
    marks = [
        mark
        for name, guessing in known
        for task in guessing.tasks
        for mark in _marks(name if len(known) > 1 else "", task)
    ]
    return Picture(
        title=scope.title("Decoding with guesses over without; right of 1 it pays"),
        name=scope.file_name("guessing"),
        drawing="intervals",
        marks=tuple(marks),
        x=Axis("times as fast", is_log=True),
        y=Axis(""),
        rules=(Rule(1.0, "as without"),),
    )


def _marks(name: str, task: GuessedTask) -> Iterator[Mark]:
    """What was measured, and below it what was to be expected."""
    for comparison, evidence in ((task.speed_up, "measured"), (task.predicted, "predicted")):
        if comparison is None:
            continue
        is_known = math.isfinite(comparison.high)
        bounds = f", {_SHARE} {_bounds(comparison)}" if is_known else ""
        is_predicted = evidence == "predicted"
        row = " · ".join(filter(None, (name, task.workload)))
        yield Mark(
            x=comparison.ratio,
            y=f"{row}, predicted" if is_predicted else row,
            label=f"{row}: {units.factor(comparison.ratio)} times as fast{bounds}, {evidence}, "
            f"n = {comparison.n}",
            low=comparison.low if is_known else None,
            high=comparison.high if is_known else None,
            evidence="predicted" if is_predicted else "measured",
        )
