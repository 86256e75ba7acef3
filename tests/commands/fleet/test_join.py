"""The machines of a fleet brought together."""

from __future__ import annotations

import sys

import pytest

from harness.commandline.fleet_options import Way
from harness.commands.fleet.join import joined

resource = pytest.importorskip("resource", reason="Windows counts no open files")


@pytest.mark.skipif(sys.platform == "win32", reason="counts no open files")
def test_as_many_files_may_be_open_as_the_hosts_need(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4000:
        pytest.skip(f"no more than {hard} files may be open here")

    class Reached(Exception):
        pass

    def links(*_: object) -> None:
        raise Reached

    monkeypatch.setattr("harness.commands.fleet.join.HostLinks", links)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        with pytest.raises(Reached), joined(Way(hosts=()), ["host"] * 300, {}, lambda _: None):
            pass
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 2400
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
