from __future__ import annotations

from collections.abc import Iterator

import pytest
from make.ssh_hosts import SshHosts, ssh_hosts, ssh_server


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    """A real ssh server at 127.0.0.1, with one host: `here`."""
    folder = tmp_path_factory.mktemp("ssh")
    with ssh_hosts(folder, folder / "cache") as hosts, ssh_server(hosts) as port:
        hosts.add("here", "127.0.0.1", port)
        yield hosts
