"""Text that others wrote, on a terminal: shown, never obeyed."""

from __future__ import annotations

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

from hostile.terminal import PAYLOADS, poisoned
from make.records import make_end

from cli.commandline import Home
from cli.prepared import CAN_FORK
from cli.terminal import foreign, received
from harness.records.store import write_whole

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="starts commands on a terminal by forking")

_ALL = "".join(PAYLOADS)
_STORED = (
    ("show",),
    ("show", "latest"),
    ("report", "--force"),
    ("export", "--output", "md"),
    ("compare", "--stored", "latest", "latest"),
)


@pytest.mark.parametrize("command", _STORED, ids=" ".join)
def test_a_record_of_others_is_shown_and_not_obeyed(home: Home, command: tuple[str, ...]) -> None:
    experiment, runs = poisoned(_ALL)
    write_whole(home.results, experiment, runs, make_end())
    _, text = received(home, *command)
    assert text
    assert foreign(text) is None


@pytest.mark.parametrize("verb", ["run", "fit", "show", "models", "pull", "gate", "import"])
def test_an_argument_comes_back_on_one_harmless_line(home: Home, verb: str) -> None:
    code, text = received(home, verb, _ALL)
    assert code in {1, 2, 4}
    assert text.count("\n") == 1
    assert foreign(text) is None


def test_what_would_be_obeyed_is_found() -> None:
    assert foreign("a table ± 3\n  of ü") is None
    for payload in PAYLOADS[:-1]:
        assert foreign(f"x\n{payload}") is not None, payload
