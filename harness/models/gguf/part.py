"""One file of a model, known by its header alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from harness.bounded import open_regular
from harness.errors import ModelInvalid
from harness.files import unreadable
from harness.models.gguf.header import Header, read_header


@dataclass(frozen=True)
class HeaderPart:
    """
    One file of a model: its header, and the bytes of it up to the weights.

    `n_bytes` is the size of the whole file; of a header made from a layout, where its data ends.
    """

    file_name: str
    n_bytes: int
    header: Header
    data: bytes = field(repr=False)


def read_part(path: Path) -> HeaderPart:
    """
    The file at `path`.

    Raises:
        ModelInvalid: It cannot be read, or is no GGUF.
    """
    try:
        size = path.stat().st_size
        with open_regular(path) as file:
            header = read_header(file, size, str(path))
            file.seek(0)
            data = file.read(min(header.data_start, size))
    except OSError as error:
        raise ModelInvalid(unreadable(path, error)) from error
    return HeaderPart(path.name, size, header, data)


def made_part(data: bytes, file_name: str) -> HeaderPart:
    """The file called `file_name` of which nothing but the header exists, the bytes `data`."""
    # The weights are not there: as if there were room for any.
    header = read_header(BytesIO(data), 1 << 62, f"the header made for {file_name}")
    return HeaderPart(file_name, header.data_end, header, data)
