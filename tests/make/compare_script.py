"""
Finds llama.cpp's own compare-llama-bench.py, which no package installs.

It lies in the source distribution of llama-cpp-python. LLAMA_COMPARE_SCRIPT names a copy; the slow
tests fetch the distribution (77 MB) with pip and keep the one file in build/.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

_MEMBER = "vendor/llama.cpp/scripts/compare-llama-bench.py"
_PLACE = Path(__file__).resolve().parents[2] / "build"


def compare_script(scratch: Path, *, may_fetch: bool) -> Path:
    """The script; skips the test where there is none."""
    if named := os.environ.get("LLAMA_COMPARE_SCRIPT"):
        return Path(named)
    kept = _PLACE / f"compare-llama-bench-{version('llama-cpp-python')}.py"
    if kept.exists():
        return kept
    if not may_fetch:
        pytest.skip("no compare-llama-bench.py here: LLAMA_COMPARE_SCRIPT names one")
    _fetch(scratch, kept)
    return kept


def _fetch(scratch: Path, target: Path) -> None:
    wanted = f"llama-cpp-python=={version('llama-cpp-python')}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch),
            *("--no-binary", "llama-cpp-python", wanted),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    sources = list(scratch.glob("*.tar.gz"))
    if done.returncode or not sources:
        pytest.skip(f"pip cannot bring the sources of {wanted}: {done.stderr.strip()[-200:]}")
    with tarfile.open(sources[0]) as archive:
        name = next(name for name in archive.getnames() if name.endswith(_MEMBER))
        member = archive.extractfile(name)
        assert member is not None
        target.parent.mkdir(exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}")
        part.write_bytes(member.read())
    part.replace(target)
