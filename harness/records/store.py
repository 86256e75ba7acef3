"""
The experiment file: one experiment, append-only, one JSON object a line.

    line 1      {"schema": 2, "kind": "experiment", ...}     machine, provenance, plan
    then        {"kind": "run", ...}                         one line for each finished Run
    last        {"kind": "end", ...}                         absent when measuring was cut short

Each line is written and flushed to the disk as soon as its Run ends and is never touched
again, so a power cut costs at most the line being written. Only where an interrupted experiment
goes on, its last line is taken away first (docs/decisions/0023-an-interrupted-record-goes-on.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NoReturn, Self

from harness.bounded import lines_of
from harness.errors import ResultsInvalid, ResultsUnwritable
from harness.files import atomic_write, cannot, sync_folder
from harness.records import lines
from harness.records.rescue import ELSEWHERE
from harness.schema.experiment import SCHEMA_VERSION, End, Experiment, Run, Stop
from harness.schema.moment import utc_time

_SUFFIX = ".jsonl"
# Windows would otherwise write "\r\n", and the byte count would be wrong.
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """
    What an experiment file holds.

    `end` is None when measuring was cut short; `n_torn` is 1 when the last line was incomplete
    and has been left out. `schema` is the one it was written in.
    """

    path: Path
    experiment: Experiment
    runs: tuple[Run, ...]
    end: End | None
    n_torn: int = 0
    schema: int = SCHEMA_VERSION

    @property
    def is_complete(self) -> bool:
        """Whether the experiment came to its planned end."""
        return self.end is not None

    @property
    def stops(self) -> tuple[Stop, ...]:
        """Why its configurations stopped; nothing where it was cut short."""
        return self.end.stops if self.end else ()

    @property
    def was_interrupted(self) -> bool:
        """Whether some of its plan is left: it was cut short, or ended by a signal."""
        return self.end is None or any(stop.reason == "interrupted" for stop in self.stops)


def file_name(experiment: Experiment) -> str:
    """`<UTC time>-<machine id>-<experiment id>.jsonl`: names sort by time, on every system."""
    stamp = utc_time(experiment.started_at).strftime("%Y%m%dT%H%M%SZ")
    parts = (stamp, experiment.machine.id, experiment.id)
    return "-".join(re.sub(r"[^A-Za-z0-9_.]", "_", part) for part in parts) + _SUFFIX


def logs_folder(path: Path) -> Path:
    """Where the engine's logs of the experiment in `path` belong (it may not exist)."""
    return path.with_name(f"{path.stem}-logs")


class ExperimentWriter:
    """
    The one writer of one experiment file; a context manager that closes it.

    After a failed write the file ends with its last whole line and stays readable.

    Raises:
        ResultsUnwritable: From every method, when the disk or the folder refuses, or another
            program removed the file or wrote to it.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        self.path = folder / file_name(experiment)
        line = lines.encode(experiment)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _create(self.path)
        except OSError as error:
            _refuse("created", self.path, error)
        self._n_bytes = 0
        try:
            self._append(line)
        except ResultsUnwritable:
            self.close()
            self.path.unlink(missing_ok=True)
            raise
        sync_folder(folder)

    @classmethod
    def reopened(cls, stored: StoredExperiment) -> Self:
        """
        The writer of an experiment that is there, behind its last Run.

        Its end, and what was cut off, are taken away at once; the Runs are never touched, so that
        whoever is killed here loses nothing.
        """
        writer = cls.__new__(cls)
        writer.path, writer._file = stored.path, -1
        try:
            n_bytes = _bytes_of_runs(stored)
            writer._file = os.open(stored.path, os.O_RDWR | os.O_APPEND | _BINARY)
            writer._n_bytes = min(n_bytes, os.fstat(writer._file).st_size)
            os.ftruncate(writer._file, writer._n_bytes)
            if writer._n_bytes < n_bytes:
                writer._append(b"\n")
            os.fsync(writer._file)
            os.utime(stored.path)  # who follows it sees that somebody is at it
        except OSError as error:
            writer.close()
            raise ResultsUnwritable(
                cannot(
                    "gone on with",
                    stored.path,
                    error,
                    "what it holds is unharmed; make it writable",
                )
            ) from error
        return writer

    def require_whole(self) -> None:
        """Nothing, if the file is where it was and holds what was written to it."""
        try:
            there = self.path.stat()
            is_whole = os.path.samestat(there, os.fstat(self._file))
        except OSError:
            is_whole = False
        if not is_whole or there.st_size != self._n_bytes:
            what = "changed" if is_whole else "removed"
            raise ResultsUnwritable(
                f"{self.path} was {what} by another program while it was written; choose a folder "
                "that stays with --results DIR"
            )

    def append_run(self, run: Run) -> None:
        """Keep a finished Run: on the disk when this returns."""
        self._append(lines.encode(run))

    def finish(self, end: End) -> None:
        """Write the last line and close the file."""
        self._append(lines.encode(end))
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be appended afterwards. Closing twice does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> ExperimentWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        try:
            _write_all(self._file, line)
            os.fsync(self._file)
        except OSError as error:
            # A half line in the middle would spoil every line after it.
            with suppress(OSError):
                os.ftruncate(self._file, self._n_bytes)
            _refuse("written", self.path, error)
        self._n_bytes += len(line)
        self.require_whole()


def whole(experiment: Experiment, runs: Iterable[Run], end: End | None) -> bytes:
    """All that the file of an experiment holds that is over; without `end` it was cut short."""
    return b"".join(map(lines.encode, (experiment, *runs, *([end] if end else []))))


def write_whole(folder: Path, experiment: Experiment, runs: Iterable[Run], end: End) -> Path:
    """
    Keep an experiment that is over, all of it or nothing; its file.

    It takes the place of what an earlier attempt left of the same experiment.

    Raises:
        ResultsUnwritable: The disk or the folder refuses.
    """
    path = folder / file_name(experiment)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as aside:
            aside.write_bytes(whole(experiment, runs, end))
    except OSError as error:
        _refuse("written", path, error)
    return path


def load(path: Path) -> StoredExperiment:
    """
    The experiment in `path`, brought to the present schema.

    A last line that was cut off in the middle is left out and counted in `n_torn`.

    Raises:
        ResultsInvalid: The file cannot be read, a line is damaged, or a newer harness wrote it.
    """
    try:
        return _loaded(path)
    except OSError as error:
        advice = "see `harness show` for what is stored"
        raise ResultsInvalid(cannot("read", path, error, advice)) from error


def _loaded(path: Path) -> StoredExperiment:
    # One line after the other, so that what is no record ends with the first of them.
    read = lines_of(path)
    record = lines.parse(next(read, b""))
    schema = lines.schema_of(path, record)
    experiment = lines.validated(Experiment, record, path, 1, schema)
    runs: list[Run] = []
    end: End | None = None
    n_torn = 0
    for number, line in enumerate(read, start=2):
        record = lines.parse(line)
        if n_torn:
            raise ResultsInvalid(lines.damaged(path, number - 1, "it is not JSON"))
        if record is None:
            # Only the last write can have been interrupted; some file systems leave zeros there.
            n_torn = 1
        elif end is not None:
            raise ResultsInvalid(lines.damaged(path, number, "it comes after the end"))
        elif record.get("kind") == "end":
            end = lines.validated(End, record, path, number, schema)
        else:
            runs.append(lines.validated(Run, record, path, number, schema))
    return StoredExperiment(path, experiment, tuple(runs), end, n_torn, schema)


def _bytes_of_runs(stored: StoredExperiment) -> int:
    """How far its first line and its Runs reach, each with a line break."""
    return sum(len(line) + 1 for line in islice(lines_of(stored.path), 1 + len(stored.runs)))


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY
    return os.open(path, flags, 0o644)


def _write_all(file: int, data: bytes) -> None:
    # One call writes it all, except on a disk that fills up: then the rest says why.
    while data:
        data = data[os.write(file, data) :]


def _refuse(done: str, path: Path, error: OSError) -> NoReturn:
    advice = f"what was kept so far is unharmed: {ELSEWHERE}"
    raise ResultsUnwritable(cannot(done, path, error, advice)) from error
