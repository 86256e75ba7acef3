from __future__ import annotations

from collections.abc import Iterator

import pytest
from make import fault_server
from make.fault_server import FaultServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server on loopback that says what it is told to say."""
    with fault_server.serving() as it:
        yield it


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may sit behind one."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
