from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.window import WIDE, Scheme, Window, chromium, window

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Look = Callable[..., Window]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser under way; it takes a second or two to start."""
    with chromium() as started:
        yield started


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Iterator[Look]:
    """Opens a document, or the path of one, in a window of its own."""
    with ExitStack() as windows:

        def opened(
            document: str | Path, width: int = WIDE, scheme: Scheme = "light", *, obeys: bool = True
        ) -> Window:
            path = document if isinstance(document, Path) else tmp_path / "page.html"
            if isinstance(document, str):
                path.write_text(document, encoding="utf-8")
            return windows.enter_context(
                window(browser, path, width=width, scheme=scheme, obeys=obeys)
            )

        yield opened
