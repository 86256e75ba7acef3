"""When a silent process is ended, and when it is not yet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.measure import watchdog
from harness.measure.watchdog import Watchdog

_SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")
_SHORT_NS = 200_000_000
_LONG_NS = 3600 * 10**9


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(_SLEEPS) as it:
        yield it
        it.kill()


def test_a_process_that_is_silent_for_too_long_is_ended(process: subprocess.Popen[bytes]) -> None:
    dog = Watchdog(process, _SHORT_NS)
    dog.restart("during tg128")
    assert process.wait(30) != 0
    assert dog.bitten is not None
    assert (dog.bitten.silence_ns, dog.bitten.before_ns) == (_SHORT_NS, None)


def test_what_was_quick_before_is_given_less(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_LEAST_NS", _SHORT_NS)
    dog = Watchdog(process, _LONG_NS, learns=True)
    dog.restart("during tg128")
    dog.restart("during tg128")
    process.wait(30)
    assert dog.bitten is not None
    assert dog.bitten.silence_ns >= _SHORT_NS
    assert dog.bitten.before_ns is not None


@pytest.mark.parametrize(
    ("learns", "activities"),
    [(True, ("while loading the model", "during tg128")), (False, ("during tg128",) * 2)],
)
def test_else_it_is_given_all_the_time(
    learns: bool,
    activities: tuple[str, str],
    process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "_LEAST_NS", _SHORT_NS)
    monkeypatch.setattr(watchdog, "_TIMES", 1)
    dog = Watchdog(process, _LONG_NS, learns=learns)
    for activity in activities:
        dog.restart(activity)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3 * _SHORT_NS / 1e9)
    dog.stop()
    assert dog.bitten is None
