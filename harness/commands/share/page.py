"""What is not in the shared file as it was, and what is; for whoever is about to pass it on."""

from __future__ import annotations

from harness import units
from harness.commands.share.share import Prepared
from harness.report.page import Cell, Column, Facts, Note, Page, Table
from harness.schema.experiment import Experiment
from harness.schema.moment import utc_time

_LEFT_OUT = (Column("left out"), Column("n", align="right"), Column("such as"))
_ALL = (Column(None, "what"), Column(None, "before"), Column(None, "after"))
# So that a row has room in 80 columns; --json tells all of it whole.
_EXAMPLE_CHARACTERS = 48
_MOST_SHOWN = 4


def page(prepared: Prepared) -> Page:
    """What goes and what stays."""
    gone: list[tuple[Cell, ...]] = []
    replaced: list[tuple[str, Cell]] = []
    every: list[tuple[Cell, ...]] = []
    for change in prepared.shared.changes:
        pairs = list(zip(change.before, change.after, strict=True))
        every += [(change.what, *pair) for pair in pairs]
        left_out = [before for before, after in pairs if not after]
        if left_out:
            gone.append((change.what, len(left_out), _short(left_out[0])))
        replaced += _replaced(change.what, [pair for pair in pairs if pair[1]])
    return (
        Table(_ALL, tuple(every)),
        Table(_LEFT_OUT, tuple(gone)),
        Facts(tuple(replaced), "Replaced"),
        _stays(prepared),
    )


def _replaced(what: str, pairs: list[tuple[str, str]]) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = [
        (what, f"{before} → {after}") for before, after in pairs[:_MOST_SHOWN]
    ]
    n_more = len(pairs) - _MOST_SHOWN
    return [*rows, (what, f"{n_more} more, likewise")] if n_more > 0 else rows


def _short(text: str) -> str:
    n = _EXAMPLE_CHARACTERS
    return text if len(text) <= n else f"{text[: n - 1]}…"


def _stays(prepared: Prepared) -> Facts:
    experiment, runs = prepared.shared.experiment, prepared.shared.runs
    n_trials = sum(len(run.trials) for run in runs)
    engines = dict.fromkeys(experiment.engine_for(it).title for it in experiment.plan.models)
    return Facts(
        (
            ("day", utc_time(experiment.started_at).date().isoformat()),
            ("machine", _machine(experiment)),
            ("its id", f"{experiment.machine.id}, the same in all that you share of it"),
            ("models", ", ".join(model.key for model in experiment.plan.models)),
            ("engine", ", ".join(engines)),
            ("Runs", f"{len(runs)}, of {n_trials} trials, with all times, sizes and counters"),
        ),
        "Stays in the file",
    )


def _machine(experiment: Experiment) -> str:
    machine = experiment.machine
    memory = units.memory_size(machine.memory_bytes) if machine.memory_bytes else ""
    cards = ", ".join(dict.fromkeys(card.name for card in machine.accelerators))
    parts = (machine.model, machine.cpu, cards, memory, machine.os_version, machine.virtualization)
    return " · ".join(filter(None, parts))


def written(prepared: Prepared) -> Page:
    """Where it lies now, and what it is for."""
    lines = [f"File: {prepared.path}"]
    lines += [f"Card: {prepared.card_path}"] if prepared.card is not None else []
    told = [f"{prepared.card_missing}"] if prepared.card_missing else []
    told.append(
        "Nothing was uploaded. `harness show FILE` and `harness report FILE` read it; --json lists "
        "all changes."
    )
    return Note(tuple(lines), is_whole=True), Note(tuple(told))
