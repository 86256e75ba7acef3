from __future__ import annotations

import os
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
