"""
Real ssh servers: on the loopback as hosts of one machine, or each in a network of its own.

What `harness` is on such a host is a script that sets the environment: a temporary folder of its
own, so that it has a lock of its own, and the cache of whoever asks.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from make.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
_SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
_TOOLS = ("ssh", "ssh-keygen")
_PATIENCE_S = 30.0
# Debian's sshd wants it when it runs as root; nothing else makes it in a container.
_PRIVILEGE_FOLDER = Path("/run/sshd")

needs_sshd = pytest.mark.skipif(
    os.name == "nt" or _SSHD is None or not all(map(shutil.which, _TOOLS)),
    reason="no ssh server for users of a POSIX shell is installed: openssh-server",
)


@dataclass
class SshHosts:
    """
    Hosts by their names, which stand in `config`, for `ssh -F`.

    `folder` holds the keys. Each host has a folder below it, with `harness` and its temporary one.
    """

    folder: Path
    cache: Path
    address: str = "127.0.0.1"
    names: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The configuration of the client."""
        return self.folder / "ssh_config"

    def add(self, name: str, address: str, port: int, **options: str) -> None:
        """One more host, to be found at that address."""
        given = {
            "HostName": address,
            "Port": str(port),
            "User": getpass.getuser(),
            "IdentityFile": str(self.folder / "user_key"),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "GlobalKnownHostsFile": os.devnull,
            "StrictHostKeyChecking": "accept-new",
        } | options
        lines = [f"Host {name}", *(f"  {key} {value}" for key, value in given.items())]
        with self.config.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.names.append(name)

    def temporary(self, name: str) -> Path:
        """The temporary folder of a host, where its lock is."""
        path = self.folder / name / "tmp"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def program(self, name: str, before: str = "", **environment: str) -> Path:
        """
        What is `harness` on that host.

        Args:
            name: Of the host.
            before: Lines of Python that are carried out first, in the same process.
            environment: Of it.
        """
        start = self.folder / name / "start.py"
        temporary = self.temporary(name)
        start.write_text(f"{before}\nfrom harness.__main__ import main\nmain()\n", "utf-8")
        given = {
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(temporary),
            "HOME": str(self.folder / name),
            "HARNESS_CACHE": str(self.cache),
            "HARNESS_CONFIG": str(self.folder / name / "config"),
        } | environment
        lines = ["#!/bin/sh", *(f"export {key}='{value}'" for key, value in given.items())]
        lines += [f"cd '{temporary}'", f'exec "{sys.executable}" "{start}" "$@"']
        path = self.folder / name / "harness"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        path.chmod(0o755)
        return path


@contextlib.contextmanager
def ssh_hosts(folder: Path, cache: Path) -> Iterator[SshHosts]:
    """No hosts yet, with keys of the client and of the servers."""
    for key in ("user_key", "host_key"):
        _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    yield SshHosts(folder, cache)


@contextlib.contextmanager
def ssh_server(
    hosts: SshHosts,
    address: str = "127.0.0.1",
    inside: tuple[str, ...] = (),
    options: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """
    A server of this user's own; its port.

    Args:
        hosts: Whose keys open it.
        address: Where it listens.
        inside: What it is started by, as ("ip", "netns", "exec", "a").
        options: Of it.
    """
    assert _SSHD is not None
    if os.geteuid() == 0:
        _PRIVILEGE_FOLDER.mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    given = {
        "ListenAddress": f"{address}:{port}",
        "HostKey": str(hosts.folder / "host_key"),
        "AuthorizedKeysFile": str(hosts.folder / "authorized_keys"),
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "yes",
        "MaxStartups": "100",
    } | dict(options or {})
    config = hosts.folder / f"sshd_config_{address}_{port}"
    config.write_text("".join(f"{key} {value}\n" for key, value in given.items()), "utf-8")
    log = config.with_name(f"{config.name}.log")
    process = subprocess.Popen([*inside, _SSHD, "-D", "-f", config, "-E", log])
    try:
        _wait_until_open(address, port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _wait_until_open(address: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline_s, log.read_text("utf-8")
        try:
            with socket.create_connection((address, port), 1.0):
                return
        except OSError:
            time.sleep(0.02)


def _call(*words: str | Path) -> None:
    subprocess.run([*map(str, words)], check=True, stdin=subprocess.DEVNULL, capture_output=True)
