"""The browser of this machine, for pictures of pages and for tests of them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# What Debian, Fedora, Arch, Google and Microsoft call it; HARNESS_CHROMIUM names any other.
_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge",
)  # fmt: skip
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


@contextmanager
def chromium() -> Iterator[Browser]:
    """
    It, started.

    Raises:
        FileNotFoundError: There is none.
    """
    from playwright.sync_api import sync_playwright

    path = os.environ.get("HARNESS_CHROMIUM") or _found()
    if path is None:
        raise FileNotFoundError(
            "no Chromium on this machine: install it, or name one in HARNESS_CHROMIUM"
        )
    # Started by root it has no sandbox; all that it opens is what the project wrote.
    is_root = sys.platform != "win32" and os.getuid() == 0
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if is_root else []
        )
        yield browser
        browser.close()


def _found() -> str | None:
    on_path = (shutil.which(name) for name in _NAMES)
    return next(filter(None, on_path), _MAC if Path(_MAC).is_file() else None)
