"""The page that a command writes beside its answer, as its user meets it."""

from __future__ import annotations

import pytest

from cli.commandline import Home
from harness.report.charts import can_draw

COMMANDS = {
    "run": ("tiny-random",),
    "rehearse": ("tiny-random",),
    "compare": ("tiny-random", "tiny-random"),
    "frontier": ("tiny-random",),
    "claim": (),
    "fit": ("tiny-random",),
    "show": (),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_done(
    home: Home, command: str
) -> None:
    done = home.harness(command, *COMMANDS[command], "--html", "missing/page.html")

    assert done.exit_code == 2
    assert "--html missing/page.html: there is no folder missing; make it first" in done.error()
    assert not home.results.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_that_is_there_stays_as_it_was(home: Home, command: str) -> None:
    page = home.folder / "page.html"
    page.write_text("mine")
    done = home.harness(command, *COMMANDS[command], "--html", "page.html")

    assert done.exit_code == 2
    assert "page.html exists; --force overwrites it" in done.error()
    assert page.read_text() == "mine"


def test_fit_writes_what_it_prints_as_a_page(home: Home) -> None:
    done = home.harness("fit", "tiny-random", "--offline", "-c", "512", "--html", "fit.html")

    assert done.exit_code == 0, done.stderr
    assert done.stderr.endswith("Page: fit.html\n")
    text = (home.folder / "fit.html").read_text("utf-8")
    assert "<h1>Will it run here: tiny-random</h1>" in text
    assert '<th scope="row" class="number">512</th>' in text
    assert "harness fit tiny-random --offline -c 512 --html fit.html" in text
    if can_draw():
        assert text.count('role="graphics-symbol"') == len(("weights", "KV cache", "compute"))
    printed = next(line for line in done.stdout.splitlines() if line.startswith("Memory: "))
    assert printed.split(" free")[0] in text


def test_force_replaces_the_page(home: Home) -> None:
    (home.folder / "list.html").write_text("old")
    done = home.harness("show", "--html", "list.html", "--force")

    assert done.exit_code == 0, done.stderr
    assert "<h1>Stored results</h1>" in (home.folder / "list.html").read_text("utf-8")
