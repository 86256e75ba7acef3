"""What cannot be kept in its place: known before an hour of work, or kept elsewhere after it."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from harness.errors import ResultsUnwritable
from harness.files import atomic_write, cannot

ELSEWHERE = "free some space or choose another folder with --results DIR"
"""What to do about a folder that takes no records."""

# The least that a file system gives to a file.
_TRIED_BYTES = 4096


def require_writable(folder: Path) -> None:
    """
    Nothing, if records can be kept in `folder`; it is neither made nor changed.

    Raises:
        ResultsUnwritable: They cannot.
    """
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            # A full disk lets a file be made, and nothing be written to it.
            file.write(bytes(_TRIED_BYTES))
            file.flush()
    except OSError as error:
        raise ResultsUnwritable(cannot("written", folder, error, ELSEWHERE)) from error


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
