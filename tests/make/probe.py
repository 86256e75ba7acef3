"""What the engine makes of files, asked in a process of its own (twin_probe.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_PROBE = Path(__file__).with_name("twin_probe.py")


def probed(paths: list[Path]) -> list[dict[str, Any]]:
    """Its answers, one a file."""
    done = _asked(*map(str, paths))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(paths), (paths[len(answers)], done.stderr[-500:])
    return answers


def quantized_types(path: Path) -> list[dict[str, Any]]:
    """For each file type what llama-quantize would make of the tensors at `path`."""
    done = _asked("--types", str(path))
    assert done.returncode == 0, done.stderr[-500:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_PROBE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
