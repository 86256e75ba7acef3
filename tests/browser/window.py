"""Windows of a real browser, each of which shows one page from the disk, without any network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tools import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, PHONE = 1280, 390
Scheme = Literal["light", "dark"]


@dataclass
class Window:
    """A page with all that it said and asked for."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine; where there is none, the test is skipped."""
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    try:
        with browser.chromium() as started:
            yield started
    except FileNotFoundError as error:
        pytest.skip(str(error))


@contextmanager
def window(
    shown_by: Browser, path: Path, *, width: int, scheme: Scheme, obeys: bool
) -> Iterator[Window]:
    """
    The file in a window of that width.

    Args:
        shown_by: Of `chromium`.
        path: Of the file.
        width: In pixels.
        scheme: What its reader prefers.
        obeys: Whether the page's own policy holds, which lets no tool of the tests in.
    """
    context = shown_by.new_context(
        offline=True,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        bypass_csp=not obeys,
    )
    opened = Window(context.new_page())
    opened.page.on("console", lambda it: opened.messages.append(it.text))
    opened.page.on("pageerror", lambda it: opened.messages.append(str(it)))
    opened.page.on("request", lambda it: opened.requests.append(it.url))
    opened.page.goto(path.absolute().as_uri())
    yield opened
    context.close()


def obstacles(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from reading the page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [f"{it['id']}: {node['html'][:200]}" for it in found for node in it["nodes"]]
