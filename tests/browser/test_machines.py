"""Reports of several machines, a few and many, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.commandline import Home
from make.machines import models_called, put_fleet

from browser.conftest import Look
from browser.window import PHONE, WIDE, Scheme, obstacles
from harness.report.charts import can_draw

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_draw(), reason="nothing draws here"),
]
FEW = {"laptop": 0.0, "studio": -0.4, "box": -0.75, "old": 0.5}
MANY = {f"m{at:02}": 0.01 * (at % 7) for at in range(28)} | {"odd": 1.0}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A user's folder with reports of four machines with six models, and of 29 with one."""
    home = Home(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("cache"))
    put_fleet(home.folder / "few", FEW, models=models_called(*(f"m{at}:Q4_0" for at in range(6))))
    put_fleet(home.folder / "many", MANY)
    for name in ("few", "many"):
        done = home.harness("report", name, "-o", f"{name}.html", "-q")
        assert (done.exit_code, done.stderr) == (0, "")
    html = ("few", "--html", "compared.html", "-q")
    assert home.harness("compare", "--across", "machine", *html).exit_code == 0
    return home


@pytest.mark.parametrize("name", ["few", "many", "compared"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_everybody_can_read_it(
    look: Look, home: Home, name: str, width: int, scheme: Scheme
) -> None:
    window = look(home.folder / f"{name}.html", width, scheme, obeys=False)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    assert obstacles(window.page) == []
    assert window.messages == []


def test_all_machines_stand_beside_each_other_with_every_model(look: Look, home: Home) -> None:
    section = look(home.folder / "few.html").page.locator("section[aria-labelledby=machines]")
    text = section.inner_text()
    for name in FEW:
        assert f"{name.title()} Chip" in text
    board = section.locator("svg").first
    said = board.locator("[aria-label]").evaluate_all("them => them.map(it => it.ariaLabel)")
    assert len([it for it in said if "tok/s in tg128" in it]) == len(FEW) * 6


def test_many_machines_are_still_a_page(look: Look, home: Home) -> None:
    path: Path = home.folder / "many.html"
    assert path.stat().st_size < 3_000_000
    text = look(path).page.locator("section[aria-labelledby=machines]").inner_text()
    assert "29 machines" in text
    assert "… 17 more" in text or "… 16 more" in text  # the baseline may be among the first
