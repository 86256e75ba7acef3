"""Which experiments a results folder holds, and which one a word on the command line means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from harness.bounded import MOST_LINE_BYTES, line_of, open_regular
from harness.errors import ResultsInvalid
from harness.files import cannot, is_file, unreadable
from harness.records import lines, store
from harness.schema.configuration import Configuration, configurations_of
from harness.schema.experiment import End, EngineInfo, Experiment
from harness.schema.model import ModelFile, ServedModel
from harness.schema.moment import utc_time
from harness.schema.settings import AnySettings

# The last line is looked for from the back in pieces of this size: it takes in the end of an
# ordinary experiment (some 400 bytes for each model and Settings) at the first attempt.
_TAIL_BYTES = 16 * 1024

# More lines than these push the question itself off the screen.
_N_OFFERED = 10
_N_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class Listing:
    """
    One file of a results folder, known by its first and last line alone.

    `n_runs` is None where the experiment was cut short: the lines would have to be counted.
    `problem` says why the file cannot be read; `experiment` is then None. `has_failed`: it came to
    its end, and every model under every Settings had failed.
    """

    path: Path
    experiment: Experiment | None = None
    started_at: datetime | None = None
    n_runs: int | None = None
    is_complete: bool = False
    has_failed: bool = False
    problem: str | None = None

    @property
    def id(self) -> str:
        """The experiment's id, or the file's name where that is unknown."""
        return self.experiment.id if self.experiment else self.path.stem


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """A configuration of a stored experiment, known from the file's first line."""

    path: Path
    experiment: Experiment
    configuration: Configuration

    @property
    def model(self) -> ModelFile | ServedModel:
        """Of the configuration."""
        return self.configuration.model

    @property
    def settings(self) -> AnySettings:
        """Of the configuration."""
        return self.configuration.settings

    @property
    def workloads(self) -> tuple[str, ...]:
        """What of the experiment's plan it was to be measured in."""
        return self.configuration.workloads(self.experiment.plan.workloads)

    @property
    def engine(self) -> EngineInfo:
        """What computed: the engine, or the model's server."""
        return self.experiment.engine_for(self.model)


def configurations_in(listing: Listing) -> list[StoredConfiguration]:
    """What the experiment set out to measure, in its order; nothing of one that cannot be read."""
    experiment = listing.experiment
    if experiment is None:
        return []
    return [
        StoredConfiguration(listing.path, experiment, each)
        for each in configurations_of(experiment.plan)
    ]


def list_experiments(folder: Path) -> list[Listing]:
    """
    What `folder` holds, newest last; no folder holds nothing.

    Damaged files are listed with their problem.

    Raises:
        ResultsInvalid: The folder itself cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if path.suffix == ".jsonl"]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResultsInvalid(
            cannot("read", folder, error, "choose another results folder with --results DIR")
        ) from error
    return sorted((listing_of(path) for path in paths), key=_age_key)


def some_of(problems: Sequence[str], most: int = _N_PROBLEMS) -> list[str]:
    """A sentence for each file that cannot be read, as far as they leave room for the answer."""
    n_more = len(problems) - most
    if n_more <= 1:
        return list(problems)
    return [*problems[:most], f"{n_more} more files there cannot be read."]


def find(folder: Path, selector: str, *, may_lack_result: bool = False) -> Path:
    """
    The experiment file that `selector` names.

    Args:
        folder: The results folder.
        selector: "latest", an experiment's id or the beginning of one, a file name in `folder`,
            or a path.
        may_lack_result: Whether "latest" is the newest experiment even where nothing of it could be
            measured; for whoever judges, and must not pass a failure over.

    Raises:
        ResultsInvalid: Nothing or more than one experiment is meant; the message says which
            there are.
    """
    return _file_named(folder, selector) or find_among(
        list_experiments(folder), folder, selector, may_lack_result=may_lack_result
    )


def find_among(
    listings: Sequence[Listing], folder: Path, selector: str, *, may_lack_result: bool = False
) -> Path:
    """As `find`, of what `folder` is known to hold; the newest of `listings` last."""
    if path := _file_named(folder, selector):
        return path
    readable = [listing for listing in listings if listing.experiment]
    if not readable:
        raise ResultsInvalid(f"No experiment is stored in {folder}. Measure one: `harness run`.")
    if selector == "latest":
        return readable[-1].path if may_lack_result else latest(readable).path
    same = [listing for listing in readable if listing.id == selector]
    matching = same or [item for item in readable if selector and item.id.startswith(selector)]
    if len(matching) == 1:
        return matching[0].path
    how_many = f"{len(matching)} experiments" if matching else "No experiment"
    verb = "match" if matching else "matches"
    raise ResultsInvalid(
        f"{how_many} in {folder} {verb} {selector!r}. There: {_offered(matching or readable)}."
    )


def _file_named(folder: Path, selector: str) -> Path | None:
    places = (Path(selector), folder / selector)
    return next((it for it in places if it.suffix == ".jsonl" and is_file(it)), None)


def latest(listings: Sequence[Listing]) -> Listing:
    """
    The newest of `listings`, oldest first, that has a result; where none has, the newest.

    One that turns out to be damaged has none.
    """
    return next((each for each in reversed(listings) if _has_result(each)), listings[-1])


def _has_result(listing: Listing) -> bool:
    """Whether anything of it was measured, were it disturbed; a last line does not tell."""
    if listing.has_failed or listing.experiment is None:
        return False
    try:
        runs = store.load(listing.path).runs
    except ResultsInvalid:
        return False  # whoever asks for it by its id is told why
    trials = (trial for run in runs for trial in run.trials)
    return any(not trial.is_warm_up for trial in trials)


def listing_of(path: Path) -> Listing:
    """What the first and the last line of `path` tell."""
    try:
        with open_regular(path) as file:
            head = line_of(file, path, 1)
            tail = _last_line(file)
        record = lines.parse(head)
        schema = lines.schema_of(path, record)
        experiment = lines.validated(Experiment, record, path, 1, schema)
        started_at = utc_time(experiment.started_at)
        end = _end_in(path, tail, schema)
    except ResultsInvalid as error:
        return Listing(path, problem=str(error))
    except OSError as error:
        return Listing(path, problem=f"{unreadable(path, error)}.")
    if end is None:
        return Listing(path, experiment, started_at)
    return Listing(
        path,
        experiment,
        started_at,
        n_runs=sum(stop.n_runs for stop in end.stops),
        is_complete=True,
        has_failed=bool(end.stops) and all(stop.reason == "failed" for stop in end.stops),
    )


def _end_in(path: Path, line: bytes, schema: int) -> End | None:
    record = lines.parse(line)
    if record is None or record.get("kind") != "end":
        return None
    return lines.validated(End, record, path, -1, schema)


def _last_line(file: IO[bytes]) -> bytes:
    """The bytes after the last but one line break; nothing where no end is as long as that."""
    size = file.seek(0, 2)
    length = _TAIL_BYTES
    while length <= MOST_LINE_BYTES:
        file.seek(max(0, size - length))
        tail = file.read(length).removesuffix(b"\n")
        start = tail.rfind(b"\n")
        if start >= 0 or length >= size:
            return tail[start + 1 :]
        length *= 4
    return b""


def _age_key(listing: Listing) -> tuple[bool, datetime, str]:
    """Unreadable files first, so that the newest experiment always comes last."""
    oldest = datetime.min.replace(tzinfo=UTC)
    return listing.experiment is not None, listing.started_at or oldest, listing.path.name


def _offered(listings: list[Listing]) -> str:
    newest_first = [listing.id for listing in reversed(listings)]
    n_more = len(newest_first) - _N_OFFERED
    more = f" and {n_more} more" if n_more > 0 else ""
    return ", ".join(newest_first[:_N_OFFERED]) + more
