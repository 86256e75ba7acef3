"""How folders and files are named on the command line, what cannot be one, and writing one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Literal

import click

from harness import scratch
from harness.errors import ResultsUnwritable, UsageError
from harness.files import atomic_write, cannot, system_reason


class Place(click.ParamType):  # type: ignore[type-arg]  # generic only in new versions
    """
    The path of a folder or a file; where something else lies, or nothing can lie, wrong usage.

    Args:
        kind: A "file" must be there, or whatever else is read like one; a "new file" may be.
        must_exist: Of a folder, whether it has to be there.
        takes_dash: Whether "-" is stdin, of a new file stdout.
    """

    def __init__(
        self,
        kind: Literal["folder", "file", "new file"],
        *,
        must_exist: bool = False,
        takes_dash: bool = False,
    ) -> None:
        self.name = "folder" if kind == "folder" else "file"
        self.is_written = kind == "new file"
        self._kind = kind
        self._must_exist = must_exist or kind == "file"
        self._takes_dash = takes_dash

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
        if why := self._objection(os.fspath(value)):
            self.fail(why, param, ctx)
        return Path(value)

    def _objection(self, text: str) -> str | None:
        if text == "-" and self._takes_dash:
            return None
        if text == "-" and self._kind == "new file":
            return "- means stdout elsewhere, and nothing here; a file of that name is ./-"
        if not text:
            return f"nothing is no name of a {self.name}; the current folder is ."
        try:
            mode = os.stat(text).st_mode  # noqa: PTH116 - Path would make "." of ""
        except FileNotFoundError:
            return f"there is no {self.name} {text}; check the path" if self._must_exist else None
        except (OSError, ValueError) as error:
            reason = system_reason(error) if isinstance(error, OSError) else str(error)
            return f"{text[:_SHOWN]} is no {self.name} ({reason}); name another one"
        if self._kind == "folder" and not stat.S_ISDIR(mode):
            return f"{text} is a file; name a folder"
        if self._kind != "folder" and stat.S_ISDIR(mode):
            return f"{text} is a folder; name a file"
        return None


# Of a name that is too long for the system, so much that it is recognised.
_SHOWN = 80

FOLDER = Place("folder")
FOLDER_THERE = Place("folder", must_exist=True)
FILE = Place("file")
FILE_OR_STDIN = Place("file", takes_dash=True)
NEW_FILE = Place("new file")
NEW_FILE_OR_STDOUT = Place("new file", takes_dash=True)


def require_new(path: Path | None, option: str, *, is_replacing: bool) -> None:
    """
    Nothing, if a file can be written at `path`; better known before measuring than after.

    Args:
        path: What `option` named, if anything.
        option: The option's name: "--html".
        is_replacing: Whether --force is given.

    Raises:
        UsageError: It cannot be a file there, one is there that was not to be replaced, or --force
            has nothing to replace.
        ResultsUnwritable: The system lets nobody write there.
    """
    if path is None:
        if is_replacing:
            raise UsageError(f"--force is for {option} FILE, which is not asked for; leave it away")
        return
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path} is no file that could be replaced; name another one")
    if path.exists() and not is_replacing:
        raise UsageError(f"{path} exists; --force overwrites it")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}; make it first")
    try:
        # Asked by doing it: root may write where the mode says no, and not on a read-only disk.
        with scratch.own_file(path.name, path.parent):
            pass
    except OSError as error:
        raise _unwritable(path, option, error) from error


def write_text(path: Path, option: str, text: str) -> None:
    """
    `text` at `path`, which `option` named, whole or not at all.

    Raises:
        ResultsUnwritable: It cannot be written.
    """
    try:
        with atomic_write(path) as part:
            part.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise _unwritable(path, option, error) from error


def _unwritable(path: Path, option: str, error: OSError) -> ResultsUnwritable:
    return ResultsUnwritable(
        cannot("written", path, error, f"choose another place with {option} FILE")
    )
