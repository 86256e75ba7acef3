from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from make import servers
from make.mlx_model import write_mlx_model

from harness.models.twin.tiny import write_tiny_random
from harness.serving.server import RunningServer

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


@pytest.fixture(scope="session")
def llama_server(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A real llama-server with the tiny model, started when a test first asks for it."""
    with servers.llama_server(tiny_model, tmp_path_factory.mktemp("llama-server")) as server:
        yield server


@pytest.fixture(scope="session")
def llama_cpp_python_server(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.OtherServer]:
    """llama-cpp-python's own server with the tiny model."""
    if not servers.has_llama_cpp_python():
        pytest.skip("fastapi and uvicorn are not installed: they come with `make setup-dev`")
    with servers.llama_cpp_python(tiny_model, tmp_path_factory.mktemp("python-server")) as server:
        yield server


@pytest.fixture(scope="session")
def mlx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.OtherServer]:
    """`mlx_lm.server` with a random model."""
    python = servers.mlx_python()
    if python is None:
        pytest.skip("mlx-lm is not installed: `make test-mlx` brings it in an environment apart")
    folder = tmp_path_factory.mktemp("mlx")
    with servers.mlx_lm(python, write_mlx_model(folder / "tiny-mlx"), folder) as server:
        yield server


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
