"""Pictures of pages as files of their own: for a README, an issue, a forum."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError, ResultsUnwritable, UsageError
from harness.files import atomic_write, cannot
from harness.report.charts import MISSING, can_draw, png, svg_file
from harness.report.page import Page
from harness.report.picture import Picture

_MOST_LETTERS = 60


def write_pictures(
    pages: Iterable[Page],
    folder: Path,
    kind: Literal["svg", "png"],
    *,
    may_replace: bool = False,
) -> list[Path]:
    """
    Where each picture of `pages` that can be drawn now lies in `folder`, in their order.

    The folder is made where it is not there, in one that is. All are drawn before any is written.

    Raises:
        HarnessError: Nothing can draw here.
        UsageError: One of the files is there already, and may not be replaced; none is written.
        ResultsUnwritable: The folder cannot be made or written to.
    """
    if not can_draw():
        raise HarnessError(MISSING)
    pictures = [part for page in pages for part in page if isinstance(part, Picture)]
    drawn = {
        folder / f"{name}.{kind}": data
        for name, picture in _named(pictures)
        if (data := _drawn(picture, kind)) is not None
    }
    for path in drawn:
        if path.exists() and not may_replace:
            raise UsageError(f"{path} exists; --force overwrites it")
    for path, data in drawn.items():
        try:
            folder.mkdir(exist_ok=True)
            with atomic_write(path) as part:
                part.write_bytes(data)
        except OSError as error:
            advice = f"choose another folder with --{kind} DIR"
            raise ResultsUnwritable(cannot("written", path, error, advice)) from error
    return list(drawn)


def _drawn(picture: Picture, kind: str) -> bytes | None:
    if kind == "png":
        return png(picture)
    text = svg_file(picture)
    return None if text is None else text.encode()


def _named(pictures: Iterable[Picture]) -> Iterator[tuple[str, Picture]]:
    """Each with a name that no other has, whatever the system makes of capital letters."""
    taken: set[str] = set()
    for picture in pictures:
        stem = re.sub(r"[^a-z0-9]+", "-", picture.name.lower()).strip("-")[:_MOST_LETTERS]
        stem = name = stem or "picture"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        yield name, picture
