"""What was imported, as a page."""

from __future__ import annotations

from harness import units
from harness.commands.exchange.convert import ImportedExperiment
from harness.commands.exchange.import_answer import TakenOver
from harness.report.page import Cell, Column, Page, Table, notes

_COLUMNS = (
    Column("", "experiment"),
    Column("", "models"),
    Column(""),
    Column("", "path"),
    *(Column(None, key) for key in ("state", "machine", "build", "n_runs", "n_trials")),
)


def page(taken: TakenOver) -> Page:
    """An experiment a row: its id, what it is, where it lies."""
    return (Table(_COLUMNS, tuple(_row(taken, each) for each in taken.result.experiments)),)


def hint(taken: TakenOver) -> Page:
    """How to look at it."""
    ids = [each.experiment.id for each in taken.result.experiments]
    more = " and so on" if len(ids) > 1 else ""
    return notes(f"Next: `harness show {ids[0]}`{more} shows it." if ids else "")


def _row(taken: TakenOver, each: ImportedExperiment) -> tuple[Cell, ...]:
    experiment, n_runs = each.experiment, len(each.runs)
    build = experiment.provenance.engine.library_commit
    return (
        experiment.id,
        ", ".join(model.key for model in experiment.plan.models),
        f"{units.counted(n_runs, 'Run')} of llama-bench {build}",
        taken.paths[experiment.id],
        "imported before" if experiment.id in taken.here else "new",
        experiment.machine.id,
        build,
        n_runs,
        sum(len(run.trials) for run in each.runs),
    )
