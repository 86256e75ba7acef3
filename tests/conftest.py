from __future__ import annotations

from pathlib import Path

import pytest

from harness.models.synthetic import write_tiny_random


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real GGUF of 1 MB with random weights and a vocabulary of bytes."""
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_tiny_random(path)
    return path
