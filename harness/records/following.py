"""An experiment file read while another process writes it: whole lines, each of them once."""

from __future__ import annotations

import os
from pathlib import Path

from harness.bounded import line_of, open_regular
from harness.errors import ResultsInvalid
from harness.files import unreadable
from harness.records import lines
from harness.schema.experiment import SCHEMA_VERSION, End, Experiment, Run


class FollowedExperiment:
    """
    The experiment in `path`, as far as it is written; the file may come later, go or be replaced.

    Attributes:
        experiment: Line 1, once it is there.
        end: The last line, once it is there.
        n_runs: Runs that were told.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.experiment: Experiment | None = None
        self.end: End | None = None
        self.n_runs = 0
        self._schema = SCHEMA_VERSION
        self._seen: os.stat_result | None
        self._start_again()

    def new_runs(self) -> list[Run]:
        """
        The Runs that came since it was asked last; nothing where the file is not there.

        A last line without its end is left for the next time.

        Raises:
            ResultsInvalid: A line is damaged, or another experiment took the file's place.
        """
        try:
            # Most of the time nothing came, and that a look at the folder tells.
            return self._read() if self._has_changed() else []
        except FileNotFoundError:
            self._start_again()  # what comes in its place may be as long
            return []
        except OSError as error:
            raise ResultsInvalid(f"{unreadable(self.path, error)}.") from error

    def _has_changed(self) -> bool:
        now, before = self.path.stat(), self._seen
        if before and (not os.path.samestat(now, before) or now.st_size < self._n_bytes):
            self._start_again()
        is_known = self._seen and _size_and_time(now) == _size_and_time(self._seen)
        self._seen = now
        return not is_known and now.st_size > self._n_bytes

    def _start_again(self) -> None:
        self._seen = None
        self._n_bytes = 0
        self._n_lines = 0

    def _read(self) -> list[Run]:
        found: list[Run] = []
        with open_regular(self.path) as file:
            if not os.path.samestat(os.fstat(file.fileno()), self._seen or self.path.stat()):
                return []  # replaced since that look: the next one starts again
            file.seek(self._n_bytes)
            while self.end is None:
                line = line_of(file, self.path, self._n_lines + 1)
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._n_bytes += len(line)
                self._n_lines += 1
                found += self._taken(line)
        return found

    def _taken(self, line: bytes) -> list[Run]:
        """The Run in the line, if that is what it holds, and nobody was told of it."""
        record = lines.parse(line)
        if self._n_lines == 1:
            self._schema = lines.schema_of(self.path, record)
            self._begin(lines.validated(Experiment, record, self.path, 1, self._schema))
        elif record and record.get("kind") == "end":
            self.end = lines.validated(End, record, self.path, self._n_lines, self._schema)
        else:
            run = lines.validated(Run, record, self.path, self._n_lines, self._schema)
            if self._n_lines - 1 > self.n_runs:
                self.n_runs += 1
                return [run]
        return []

    def _begin(self, experiment: Experiment) -> None:
        before, self.experiment = self.experiment, experiment
        if before and before.id != experiment.id:
            raise ResultsInvalid(
                f"{self.path} now holds another experiment, {experiment.id}, instead of {before.id}"
            )


def _size_and_time(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns
