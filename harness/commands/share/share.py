"""A stored experiment made fit to be passed on, and the two files of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.commands.share.card_facts import card_of
from harness.commands.share.model_names import public_names
from harness.commands.share.rules import RULES
from harness.commands.share.scrub import Change, SharedExperiment, shared
from harness.errors import ResultsUnwritable, UsageError
from harness.files import atomic_write, cannot
from harness.models.catalog.catalog import shipped_catalog
from harness.records.listing import find
from harness.records.store import file_name, load, whole
from harness.report import card
from harness.report.measured_page import MeasuredResult, measured_result

NO_CARD = (
    "No card: vl-convert, which draws it, is not installed; `pip install vl-convert-python`, or "
    "harness with its extra `report`."
)
UNDRAWN = "No card: vl-convert could not draw it"


@dataclass(frozen=True)
class ShareRequest:
    """Which experiment of `results` is to be shared, in a file in `folder`."""

    experiment: str
    results: Path
    folder: Path
    keeps_names: bool = False
    may_overwrite: bool = False


@dataclass(frozen=True)
class Prepared:
    """
    What would be written.

    Attributes:
        path: The experiment file.
        card_path: The picture.
        card: Its bytes; None where it could not be made, for which `card_missing` has a sentence.
        result: What the shared experiment says.
    """

    shared: SharedExperiment
    result: MeasuredResult
    path: Path
    card_path: Path
    card: bytes | None
    card_missing: str = ""


@dataclass(frozen=True, slots=True)
class ShareDocument:
    """
    What is shared of an experiment, and where it was put.

    Attributes:
        experiment: Its id.
        file: The experiment file to pass on; null where nothing was written.
        card: The picture, PNG of 1200 x 630 pixels; null where there is none.
        card_missing: Then why; "" where there is one.
        changes: All that is not in the file as it was.
    """

    experiment: str
    file: Path | None
    card: Path | None
    card_missing: str
    changes: tuple[Change, ...]


def prepare(request: ShareRequest) -> Prepared:
    """
    What `write` would put where.

    Raises:
        ResultsInvalid: There is no such experiment, or it cannot be read.
        UsageError: A file lies there already and may not be overwritten.
    """
    stored = load(find(request.results, request.experiment))
    public = public_names(shipped_catalog())
    found = shared(stored, RULES, public, keeps_names=request.keeps_names)
    path = request.folder / file_name(found.experiment)
    card_path = path.with_suffix(".png")
    for target in (path, card_path):
        if target.exists() and not request.may_overwrite:
            raise UsageError(f"{target} exists; --force overwrites it, -o DIR puts it elsewhere")
    stops = found.end.stops if found.end else ()
    result = measured_result(found.experiment, found.runs, stops, None)
    picture, missing = _drawn(result)
    return Prepared(found, result, path, card_path, picture, missing)


def _drawn(result: MeasuredResult) -> tuple[bytes | None, str]:
    try:
        picture = card.png(card.svg(card_of(result)))
    except ValueError as error:
        return None, f"{UNDRAWN} ({str(error)[:200]})."
    return picture, "" if picture else NO_CARD


def write(prepared: Prepared) -> None:
    """
    Both files, or none.

    Raises:
        ResultsUnwritable: The folder refuses.
    """
    data = whole(prepared.shared.experiment, prepared.shared.runs, prepared.shared.end)
    try:
        prepared.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(prepared.path) as part:
            part.write_bytes(data)
            if prepared.card is not None:
                with atomic_write(prepared.card_path) as picture:
                    picture.write_bytes(prepared.card)
    except OSError as error:
        advice = "choose another folder with -o DIR"
        raise ResultsUnwritable(cannot("written", prepared.path, error, advice)) from error


def document(prepared: Prepared, *, is_written: bool) -> ShareDocument:
    """The same for programs."""
    has_card = is_written and prepared.card is not None
    return ShareDocument(
        experiment=prepared.shared.experiment.id,
        file=prepared.path if is_written else None,
        card=prepared.card_path if has_card else None,
        card_missing=prepared.card_missing,
        changes=prepared.shared.changes,
    )
