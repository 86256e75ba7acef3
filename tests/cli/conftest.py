from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commandline import Home
from harness.analysis.speed.known_bandwidth import KnownBandwidth, MemoryReading
from harness.machine.probe import default_threads, probe_machine


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with tiny-random in it, and with a memory that was read in quiet often enough."""
    home = Home(tmp_path_factory.mktemp("pull"), tmp_path_factory.mktemp("cache"))
    done = home.harness("pull", "tiny-random")
    assert done.exit_code == 0, done.stderr
    _keep_quiet_readings(home.cache / "bandwidths")
    return home.cache


def _keep_quiet_readings(folder: Path) -> None:
    """As `harness machine` leaves them after three quiet moments, which tests cannot wait for."""
    machine = probe_machine()
    reading = MemoryReading(
        bytes_per_s=20 * 10**9, read_at="2026-11-24T10:00:00+00:00", others_ratio=0.0
    )
    n_usable, n_threads = machine.n_cores_usable, default_threads(machine)
    known = KnownBandwidth(
        machine=machine,
        n_threads=n_threads,
        n_cores_usable=n_usable,
        best=reading,
        quiet=reading,
        n_quiet=3,
    )
    folder.mkdir()
    path = folder / f"{machine.id}-{n_threads}-threads-on-{n_usable}.json"
    path.write_text(known.model_dump_json())


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Callable[[], Home]:
    """Makes a user's folder; for fixtures that several tests share."""
    return lambda: Home(tmp_path_factory.mktemp("home"), cache)


@pytest.fixture
def home(new_home: Callable[[], Home]) -> Home:
    """A user's folder where nothing has been measured."""
    return new_home()
