from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commandline import Home


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with tiny-random in it."""
    home = Home(tmp_path_factory.mktemp("pull"), tmp_path_factory.mktemp("cache"))
    done = home.harness("pull", "tiny-random")
    assert done.exit_code == 0, done.stderr
    return home.cache


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Callable[[], Home]:
    """Makes a user's folder; for fixtures that several tests share."""
    return lambda: Home(tmp_path_factory.mktemp("home"), cache)


@pytest.fixture
def home(new_home: Callable[[], Home]) -> Home:
    """A user's folder where nothing has been measured."""
    return new_home()
