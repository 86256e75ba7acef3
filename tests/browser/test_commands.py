"""The pages that commands write of real measurements, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.commandline import Home

from browser.conftest import Look
from browser.pages import EXAMPLES
from browser.window import PHONE, WIDE, Scheme, obstacles

COMMANDS = {
    "show": ("show", "51521cf2"),
    "sweep": ("show", "2ea71a30"),
    "compare": ("compare", "--stored", "2ea71a30,cache-type-k=f16", "2ea71a30,cache-type-k=q8_0"),
    "frontier": ("frontier", "tiny-random"),
    "claim": ("claim",),
    "fit": ("fit", "tiny-random", "--offline"),
    "report": ("report",),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A user's folder with a page of each command, of stored results: measuring takes long."""
    home = Home(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("cache"))
    assert home.harness("pull", "tiny-random").exit_code == 0
    for name, arguments in COMMANDS.items():
        option = "-o" if name == "report" else "--html"
        done = home.harness(*arguments, option, f"{name}.html", "-q", HARNESS_RESULTS=str(EXAMPLES))
        assert (done.exit_code, done.stderr) == (0, "")
    return home


@pytest.fixture(params=COMMANDS)
def page(home: Home, request: pytest.FixtureRequest) -> Path:
    return home.folder / f"{request.param}.html"


@pytest.mark.slow
def test_it_is_still_and_alone_and_says_what_made_it(look: Look, page: Path) -> None:
    window = look(page)
    assert window.messages == []
    assert window.requests == [page.as_uri()]
    typed = window.page.locator(".commands code").last.inner_text()
    if page.stem == "report":
        assert typed.startswith("harness ")
    else:
        assert typed == " ".join(("harness", *COMMANDS[page.stem], "--html", page.name, "-q"))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_everybody_can_read_it(look: Look, page: Path, width: int, scheme: Scheme) -> None:
    window = look(page, width, scheme, obeys=False)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    assert obstacles(window.page) == []
