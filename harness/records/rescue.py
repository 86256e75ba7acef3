"""What cannot be kept in its place is kept in the temporary folder of the system, and said."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from harness.errors import ResultsUnwritable
from harness.files import atomic_write


def rescued(name: str, data: bytes) -> Path | None:
    """Where `data` is kept instead, under its own name; None where even that is refused."""
    with suppress(OSError):
        # It is to stay.
        folder = Path(tempfile.mkdtemp(prefix="harness-kept-"))  # noqa: TID251
        try:
            with atomic_write(folder / name) as part:
                part.write_bytes(data)
        except OSError:
            folder.rmdir()
            raise
        return folder / name
    return None


def unwritable(message: str, what: str, path: Path | None) -> ResultsUnwritable:
    """
    The error that says where a record went.

    Args:
        message: Why it is not in its place, without an end.
        what: "all 3 Runs".
        path: As `rescued` gave it.
    """
    where = f"; {what} kept in {path}" if path else ""
    return ResultsUnwritable(f"{message}{where}")
