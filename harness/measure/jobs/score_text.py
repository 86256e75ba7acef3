"""The text that quality is measured on: a file of the user's, or the one every Python carries."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.files import cannot
from harness.schema.quality import TextFacts
from harness.units import file_size

# A thousand times what the default asks for; all of it is tokenized, which takes memory.
_MOST_BYTES = 100_000_000


@dataclass(frozen=True)
class QualityText:
    """A text, in UTF-8, and what it is called."""

    name: str
    data: bytes

    @property
    def facts(self) -> TextFacts:
        """What a record keeps of it."""
        sha256 = hashlib.sha256(self.data).hexdigest()
        return TextFacts(name=self.name, sha256=sha256, n_bytes=len(self.data))


def default_text() -> QualityText:
    """
    The language reference in `pydoc_data.topics`, by topic; about 450 kB of English prose.

    It needs no network and no licence of its own. It differs between versions of Python.

    Raises:
        UsageError: This Python was installed without it.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise UsageError(
            "this Python was installed without its documentation text (pydoc_data); name a text "
            "with --text FILE"
        ) from None
    text = "\n\n".join(topics[name] for name in sorted(topics))
    return QualityText(f"pydoc_data.topics of Python {platform.python_version()}", text.encode())


def read_text(path: Path) -> QualityText:
    """
    The text of a file.

    Raises:
        UsageError: It cannot be read, is empty, is too large, or is not UTF-8.
    """
    try:
        # Not all of it: what is no ordinary file has no size, and may never end.
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(cannot("read", path, error, "--text takes a file of text")) from error
    if len(data) > _MOST_BYTES:
        raise UsageError(
            f"{path} has more than {file_size(_MOST_BYTES)}, and --text takes no more; cut a piece "
            "out of it"
        )
    if not data.strip():
        raise UsageError(f"{path} holds no text; --text takes a file of some thousand words")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}; convert it, "
            f"for example with `iconv -f LATIN1 -t UTF-8`"
        ) from None
    return QualityText(path.name, data)
