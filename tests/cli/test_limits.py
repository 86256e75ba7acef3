"""What the system refuses, as it refuses it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cli.commandline import Home


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("command", [("--help",), ("models",), ("show", "--json")])
def test_an_answer_that_cannot_be_written_is_one_line(home: Home, command: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    buffered = {"PYTHONUNBUFFERED": ""}
    with home.started(*command, stdout=full, environment=buffered) as started:
        done = started.done()
    os.close(full)
    assert done.exit_code == 1
    assert done.error().startswith("standard output: No space left on device")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
@pytest.mark.parametrize("n_files", [8, 10])
def test_few_files_that_may_be_open_are_one_line(home: Home, n_files: int) -> None:
    import resource

    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "tiny-random", "--runs", "1", "-w", "tg8"],
        cwd=home.folder,
        env=home.environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, n_files)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "ulimit -n" in done.stderr
