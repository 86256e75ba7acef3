from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness.models.twin.tiny import write_tiny_random

# Whoever runs the tests may have a catalogue of their own, which is not what is tested.
os.environ["HARNESS_CONFIG"] = str(Path(__file__).resolve().parent / "no-settings")

# How long an example takes tells of the machine, not of the code: these are shared, and a pause of
# theirs must not fail a property.
settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared-machine")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real GGUF of 1 MB with random weights and a vocabulary of bytes."""
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_tiny_random(path)
    return path


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """
    Puts back what `cli.main` makes of signals where a test calls it in this process.

    It ends with ignoring them all, and whatever is started afterwards would ignore them too.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before, hook = {number: signal.getsignal(number) for number in numbers}, sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)
