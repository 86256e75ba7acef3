"""
A model file without its weights: the true header, and a hole where the rest would be.

The engine plans with it to the byte, while it takes as much disk as the header alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from harness import scratch
from harness.errors import HarnessError
from harness.files import system_reason
from harness.models.gguf.part import HeaderPart
from harness.models.model import Model

_FSCTL_SET_SPARSE = 0x900C4  # winioctl.h


@contextlib.contextmanager
def header_stub(found: Model) -> Iterator[Path]:
    """
    A path to hand to the planner; of a split model its first part. Removed at the end.

    A model that is here already is its own stub: planning reads no weights.

    Raises:
        HarnessError: The folder for temporary files cannot be written, or its file system knows
            no holes.
    """
    if found.path is not None:
        yield found.path
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch.own_folder("harness-stub"))
            first = write_header_stub(found.parts, folder)
        except (OSError, OverflowError) as error:
            reason = system_reason(error) if isinstance(error, OSError) else type(error).__name__
            raise HarnessError(
                f"a file with a hole of {found.file.n_bytes:,} bytes cannot be made in "
                f"{tempfile.gettempdir()} ({reason}); set TMPDIR to a folder on a usual disk"
            ) from error
        yield first


def write_header_stub(parts: Sequence[HeaderPart], folder: Path) -> Path:
    """
    The first of the files that `parts` become in `folder`.

    Raises:
        OSError: The folder cannot be written, or so large a file cannot be.
    """
    count = len(parts)
    # The engine finds the parts of a split model by these names.
    names = [f"stub-{index:05}-of-{count:05}.gguf" for index in range(1, count + 1)]
    paths = [folder / (name if count > 1 else "stub.gguf") for name in names]
    for part, path in zip(parts, paths, strict=True):
        with path.open("wb") as file:
            _allow_holes(file)
            file.write(part.data)
            file.truncate(part.n_bytes)
    return paths[0]


def _allow_holes(file: BinaryIO) -> None:
    """
    NTFS gives a file its whole size at once, unless it is told that it may have holes.

    Not tried on Windows yet. Where the call fails, `truncate` itself says whether there is room.
    """
    if sys.platform == "win32":
        import msvcrt  # exists on Windows only

        n_returned = ctypes.c_ulong()
        ctypes.windll.kernel32.DeviceIoControl(
            ctypes.c_void_p(msvcrt.get_osfhandle(file.fileno())),
            _FSCTL_SET_SPARSE, None, 0, None, 0, ctypes.byref(n_returned), None,
        )  # fmt: skip
