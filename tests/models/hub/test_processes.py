"""Pulls as their user starts them: processes of their own, killed, two at once, watched."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from make.hub_server import Fault, Hub, Repository, random_bytes, running_hub

REPO = "owner/model-GGUF"
NAME = "model-Q4_K_M.gguf"
TOKEN = "hf_mustnotbeseen"
_PATIENCE_S = 60
# What the socket and the HTTP library may have read without having handed it on.
_LAST_BUFFER_BYTES = 1 << 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


class Puller:
    """Somebody with caches of their own."""

    def __init__(self, hub: Hub, folder: Path, **environment: str) -> None:
        self.folder, self.cache = folder, folder / "hf" / "hub"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HARNESS_"))}
        self.environment = kept | {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HARNESS_CACHE": str(folder / "own"),
            "COLUMNS": "200",
            **environment,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            env=self.environment,
            cwd=Path(__file__).parents[3],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=_PATIENCE_S)
        return process.returncode, stdout, stderr

    def blob(self, content: bytes) -> Path:
        folder = self.cache / f"models--{REPO.replace('/', '--')}" / "blobs"
        return folder / hashlib.sha256(content).hexdigest()

    def part(self, content: bytes) -> Path:
        blob = self.blob(content)
        return blob.with_name(f"{blob.name}.part")


@pytest.fixture
def puller(hub: Hub, tmp_path: Path) -> Puller:
    return Puller(hub, tmp_path)


def serve(hub: Hub, n_bytes: int, seed: int = 0) -> bytes:
    content = random_bytes(n_bytes, seed)
    hub.repositories[REPO] = Repository({NAME: content})
    return content


def wait_for(condition: Any, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


# ------------------------------------------------------------------ kill storms


@pytest.mark.slow
@pytest.mark.parametrize("n_kills", [2, pytest.param(50, marks=pytest.mark.timeout(900))])
def test_pulls_killed_again_and_again_end_with_the_right_bytes(
    hub: Hub, puller: Puller, n_kills: int
) -> None:
    content = serve(hub, 6_000_000 * n_kills // 5)
    hub.bytes_per_s = 12e6
    rng = random.Random(n_kills)
    n_wasted = 0
    for _ in range(n_kills):
        n_before, n_served = size(puller.part(content)), hub.n_body_bytes
        goal = n_before + rng.randrange(1, max(2, len(content) // (n_kills + 1)))
        n_bodies = len(hub.bodies())
        process = puller.start("pull", "-q", f"{REPO}:Q4_K_M")
        wait_for(lambda goal=goal: size(puller.part(content)) >= goal, process)
        process.kill()
        process.communicate()
        # It asked for exactly what was missing, and what it was given is there.
        assert [request.offset for request in hub.bodies()[n_bodies:]] == [n_before or None]
        n_there = size(puller.part(content))
        assert puller.part(content).read_bytes() == content[:n_there]
        n_wasted = max(n_wasted, hub.n_body_bytes - n_served - (n_there - n_before))
        assert not puller.blob(content).exists()
    hub.bytes_per_s = None
    code, _, stderr = puller.run("pull", "-q", f"{REPO}:Q4_K_M")
    assert (code, stderr) == (0, "")
    assert puller.blob(content).read_bytes() == content
    assert not puller.part(content).exists()
    # Of what the server wrote, the kernel's socket buffers hold some; the process held no more.
    assert n_wasted <= socket_buffers() + _LAST_BUFFER_BYTES


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pulls_killed_at_any_moment_of_their_lives_end_with_the_right_bytes(
    hub: Hub, puller: Puller
) -> None:
    content = serve(hub, 3_000_000)
    rng = random.Random(1)
    for _ in range(50):
        process = puller.start("pull", "-q", f"{REPO}:Q4_K_M")
        time.sleep(rng.uniform(0.3, 1.5))  # from before its first request to after its last
        process.kill()
        process.communicate()
        if puller.blob(content).exists():
            assert puller.blob(content).read_bytes() == content
            if rng.random() < 0.8:
                puller.blob(content).unlink()
    assert puller.run("pull", "-q", f"{REPO}:Q4_K_M")[0] == 0
    assert puller.blob(content).read_bytes() == content


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def socket_buffers() -> int:
    """The most that both ends of a connection keep between them."""
    ends = ("/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem")
    if not Path(ends[0]).exists():
        return 16 << 20
    return sum(int(Path(end).read_text().split()[2]) for end in ends)


@pytest.mark.slow
def test_a_second_pull_waits_for_the_first_and_fetches_nothing(hub: Hub, puller: Puller) -> None:
    content = serve(hub, 4_000_000)
    hub.bytes_per_s = 2e5  # slow until the second has seen it, however long that takes to start
    first = puller.start("pull", f"{REPO}:Q4_K_M")
    wait_for(lambda: size(puller.part(content)) > 0, first)
    second = puller.start("pull", f"{REPO}:Q4_K_M")
    assert second.stderr
    assert "another process is fetching it, waiting" in second.stderr.readline()
    hub.bytes_per_s = None
    stdout, _ = second.communicate(timeout=_PATIENCE_S)
    assert second.returncode == 0
    assert first.communicate(timeout=_PATIENCE_S)[0] == stdout
    assert len(hub.bodies()) == 1


@pytest.mark.slow
def test_a_pull_goes_on_when_the_one_it_waits_for_is_killed(hub: Hub, puller: Puller) -> None:
    content = serve(hub, 4_000_000)
    hub.bytes_per_s = 2e5  # as above
    first = puller.start("pull", f"{REPO}:Q4_K_M")
    wait_for(lambda: size(puller.part(content)) > 0, first)
    second = puller.start("pull", f"{REPO}:Q4_K_M")
    assert second.stderr
    assert "waiting" in second.stderr.readline()
    first.kill()
    first.communicate()
    hub.bytes_per_s = None
    second.communicate(timeout=_PATIENCE_S)
    assert second.returncode == 0
    assert puller.blob(content).read_bytes() == content
    assert hub.bodies()[-1].offset


def test_ctrl_c_ends_a_pull_and_keeps_what_came(hub: Hub, puller: Puller) -> None:
    content = serve(hub, 8_000_000)
    hub.bytes_per_s = 2e6
    process = puller.start("pull", f"{REPO}:Q4_K_M")
    wait_for(lambda: size(puller.part(content)) > 300_000, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130
    assert stderr.endswith("Error: interrupted\n")
    assert "Traceback" not in stderr
    assert puller.part(content).read_bytes() == content[: size(puller.part(content))]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL"])
def test_a_pull_ended_by_any_signal_is_resumed(hub: Hub, puller: Puller, name: str) -> None:
    content = serve(hub, 4_000_000)
    hub.bytes_per_s = 1e6
    process = puller.start("pull", f"{REPO}:Q4_K_M")
    wait_for(lambda: size(puller.part(content)) > 300_000, process)
    process.send_signal(signal.Signals[name])
    _, stderr = process.communicate(timeout=_PATIENCE_S)
    number = signal.Signals[name]
    assert process.returncode == (-number if name == "SIGKILL" else 128 + number)
    assert "Traceback" not in stderr
    hub.bytes_per_s = None
    assert puller.run("pull", f"{REPO}:Q4_K_M")[0] == 0
    assert puller.blob(content).read_bytes() == content
    assert hub.bodies()[-1].offset
    assert not puller.part(content).exists()


def test_ctrl_c_waits_for_no_server_that_says_nothing(hub: Hub, puller: Puller) -> None:
    content = serve(hub, 4_000_000)
    hub.faults = [Fault(stall_after=400_000, stall_s=10 * _PATIENCE_S)]
    patient = {"HF_HUB_DOWNLOAD_TIMEOUT": str(5 * _PATIENCE_S)}
    puller.environment.update(patient)
    process = puller.start("pull", f"{REPO}:Q4_K_M")
    wait_for(lambda: size(puller.part(content)) > 0, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 130


# ------------------------------------------------------------------- the token


@pytest.mark.slow
def test_the_token_is_in_no_output_no_file_and_no_process_list(hub: Hub, tmp_path: Path) -> None:
    puller = Puller(hub, tmp_path, HF_TOKEN=TOKEN)
    content = serve(hub, 3_000_000)
    hub.bytes_per_s = 3e6
    process = puller.start("pull", f"{REPO}:Q4_K_M")
    wait_for(lambda: size(puller.part(content)) > 0, process)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    commands = " ".join(argument for member in family for argument in member.cmdline())
    outputs = "".join(process.communicate(timeout=_PATIENCE_S))
    hub.bytes_per_s = None
    for faults in ([Fault(status=418)], [Fault(status=403)]):
        hub.api_faults = faults
        outputs += "".join(map(str, puller.run("pull", f"{REPO}:Q8_0")))
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN not in commands + outputs
    assert TOKEN.encode() not in files
    assert any(TOKEN in request.headers.get("authorization", "") for request in hub.requests)
    assert not any(TOKEN in str(request) for request in hub.requests if request.is_cdn)
    assert not any(TOKEN in request.path for request in hub.requests)


# ---------------------------------------------------------------- the command line


@pytest.mark.slow
def test_pull_list_and_verify_tell_the_same_story(hub: Hub, puller: Puller) -> None:
    content = serve(hub, 100_000)
    reference = f"{REPO}:Q4_K_M"
    puller.part(content).parent.mkdir(parents=True)
    puller.part(content).write_bytes(content[:40_000])

    def look(option: str) -> tuple[int, dict[str, Any]]:
        code, stdout, _ = puller.run("pull", option, "--json", reference)
        (model,) = json.loads(stdout)["models"]
        (file,) = model["files"]
        return code, file

    def state(option: str) -> tuple[int, str]:
        code, file = look(option)
        return code, file["state"]

    code, file = look("--list")
    assert (code, file["state"], file["n_bytes_here"]) == (0, "partial", 40_000)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert hub.bodies() == []

    code, stdout, _ = puller.run("pull", "--json", reference)
    (pulled,) = json.loads(stdout)["models"]
    assert code == 0
    assert (pulled["model"], pulled["n_bytes"]) == (reference, 100_000)
    assert Path(pulled["path"]).read_bytes() == content

    assert state("--list") == (0, "here")
    assert state("--verify") == (0, "whole")
    stamp = puller.blob(content).stat()
    puller.blob(content).write_bytes(content[:-1] + b"?")
    # The same size and time of change: what is remembered of it must not do.
    os.utime(puller.blob(content), ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert state("--verify") == (1, "damaged")
    assert puller.run("pull", reference)[0] == 0
    assert puller.blob(content).read_bytes() == content


@pytest.mark.slow
def test_offline_by_environment_uses_what_is_there_and_names_what_is_not(
    hub: Hub, puller: Puller
) -> None:
    content = serve(hub, 50_000)
    assert puller.run("pull", "-q", REPO)[0] == 0
    puller.environment["HF_HUB_OFFLINE"] = "1"
    n_requests = len(hub.requests)
    code, stdout, stderr = puller.run("pull", REPO)
    assert code == 0
    assert str(puller.cache) in stdout
    assert "the hub cannot be asked, what is cached is used" in stderr
    code, stdout, stderr = puller.run("pull", f"{REPO}:Q8_0")
    assert (code, stdout) == (1, "")
    assert stderr.count("\n") == 1
    assert "HF_HUB_OFFLINE" in stderr
    assert len(hub.requests) == n_requests
    assert puller.blob(content).is_file()
