"""
The one long step: llama-cpp-python, compiled here where its maker ships no wheel.

pip keeps the wheel it built and takes it the next time, whatever CMAKE_ARGS says by then: a build
for CUDA after one for the CPU would silently be the CPU one again. So every CMAKE_ARGS has a cache
of its own; without any, it is pip's ordinary one.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from setup import checks
from setup.checks import SetupError
from setup.progress import run_logged

NAME = "llama-cpp-python"
# Two cores of a shared x86-64 server took 6m45s (11m44s of processor time); one core twice that.
_ANNOUNCEMENT = (
    "  No ready-made engine for this machine: compiling llama.cpp, about six to twelve minutes on\n"
    "  two cores. Once: the result is kept in {kept}."
)


def requirement(pyproject: Path) -> str:
    """The engine's requirement as pyproject.toml pins it: "llama-cpp-python==0.3.36"."""
    declared = tomllib.loads(pyproject.read_text("utf-8"))["project"]["dependencies"]
    return next(str(line) for line in declared if str(line).startswith(NAME))


def pip_cache(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Where pip keeps what it built, by pip's own rules."""
    if environ.get("PIP_CACHE_DIR"):
        return Path(environ["PIP_CACHE_DIR"])
    return _user_cache(environ, platform) / ("pip/Cache" if platform == "win32" else "pip")


def cache_folder(cmake_args: str, environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """pip's cache for an engine built with `cmake_args`; pip's ordinary one when there are none."""
    if not cmake_args:
        return pip_cache(environ, platform)
    key = hashlib.sha256(" ".join(cmake_args.split()).encode()).hexdigest()[:12]
    return _user_cache(environ, platform) / "inference-harness" / f"engine-{key}"


def is_cached(wanted: str, folder: Path) -> bool:
    """Whether a wheel of `wanted` ("name==version") lies in pip's cache `folder`."""
    name, _, version = wanted.partition("==")
    pattern = f"{re.sub('[-_.]+', '_', name)}-{version}-*.whl"
    return any(folder.glob(f"wheels/*/*/*/*/{pattern}"))


def is_compiled_here(
    wanted: str, folder: Path, cmake_args: str, environ: Mapping[str, str]
) -> bool:
    """
    Whether installing `wanted` means compiling it.

    Asks the package index, with this Python's own pip, only when no wheel is in the cache.
    """
    if is_cached(wanted, folder):
        return False
    if cmake_args:  # a ready-made wheel would not be what was asked for
        return True
    question = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-input"]
    question += ["--ignore-installed", "--break-system-packages", "--quiet", "--only-binary=:all:"]
    try:
        done = subprocess.run(
            [*question, wanted], env=dict(environ), capture_output=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def check_build(wanted: str, cmake_args: str, environ: Mapping[str, str]) -> int:
    """
    The bytes that compiling will take in the temporary folder; 0 when nothing is compiled.

    Raises:
        SetupError: Something will be compiled and there is no compiler.
    """
    folder = cache_folder(cmake_args, environ)
    if is_cached(wanted, folder):
        return 0
    try:
        checks.compilers(environ)
    except SetupError:
        if is_compiled_here(wanted, folder, cmake_args, environ):
            raise
        return 0
    return checks.GPU_BUILD_BYTES if cmake_args else checks.BUILD_BYTES


def install(
    python: Path, wanted: str, cmake_args: str, *, log: Path, environ: Mapping[str, str]
) -> None:
    """
    Puts the engine, without what it depends on, into the environment of `python`.

    Always through pip, uv or not: one cache, and a build that tells how far it is.

    Raises:
        SetupError: It could not be fetched or did not build.
    """
    folder = cache_folder(cmake_args, environ)
    command = [str(python), "-m", "pip", "install", "-v", "--no-input", "--no-deps"]
    command += ["--force-reinstall"]
    if cmake_args:
        command += ["--cache-dir", str(folder), "--no-binary", NAME]
    # A folder of its own, so that an interrupted build leaves nothing in the system's.
    with tempfile.TemporaryDirectory(prefix="harness-setup-", ignore_cleanup_errors=True) as temp:
        run_logged(
            [*command, wanted],
            label=f"Installing the engine {wanted}" + (f" ({cmake_args})" if cmake_args else ""),
            log=log,
            environ={
                **environ,
                "TMPDIR": temp,
                "TMP": temp,
                "TEMP": temp,
                "CMAKE_ARGS": cmake_args,
            },
            announce={f"Building wheel for {NAME}": _ANNOUNCEMENT.format(kept=folder)},
        )


def version_that_loads(python: Path, environ: Mapping[str, str]) -> str | None:
    """The version of the engine that `python` can import, or None."""
    done = subprocess.run(
        [str(python), "-c", "import llama_cpp; print(llama_cpp.__version__)"],
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _user_cache(environ: Mapping[str, str], platform: str) -> Path:
    home = Path(environ.get("HOME") or Path.home())
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData/Local")
    if platform == "darwin":
        return home / "Library/Caches"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
