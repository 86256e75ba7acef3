"""
The one long step: llama-cpp-python, compiled here with what the harness needs of it.

pip keeps the wheel it built, but only for the Python that built it, though any can use it; and it
takes it the next time whatever CMAKE_ARGS says by then: a build for CUDA after one for the CPU
would silently be the CPU one. So wheels are kept in folders of our own, one for each CMAKE_ARGS.
"""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from setup import checks
from setup.progress import run_logged

NAME = "llama-cpp-python"
# Two cores of a shared x86-64 server took 6m45s (11m44s of processor time); one core twice that.
# gcc takes the stores into a tile configuration for dead ones, for it does not know that
# `ldtilecfg` reads them: the first multiplication with AMX then dies of an illegal instruction
# (SIGILL; seen with gcc 12 on a Xeon, and reported to llama.cpp as pull request 26954). Without
# AMX the same machine computes with AVX-512. Goes when the pinned engine has that mended.
_WITHOUT_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
_CPUINFO = Path("/proc/cpuinfo")
OWN_ARGS = "-DGGML_RPC=on"
"""What CMake is told beside CMAKE_ARGS, which come behind it and win (docs/decisions/0029)."""
_ANNOUNCEMENT = (
    "  Compiling llama.cpp for this machine: about six to twelve minutes on two cores. Once: the\n"
    "  result is kept in {kept}."
)


def requirement(pyproject: Path) -> str:
    """The engine's requirement as pyproject.toml pins it: "llama-cpp-python==0.3.36"."""
    declared = tomllib.loads(pyproject.read_text("utf-8"))["project"]["dependencies"]
    return next(str(line) for line in declared if str(line).startswith(NAME))


def compiler_flags(cpuinfo: Path = _CPUINFO) -> str:
    """What the compilers are told beside what CMake tells them, for this machine's processor."""
    try:
        text = cpuinfo.read_text("utf-8", errors="replace")
    except OSError:  # no Linux
        return ""
    return _WITHOUT_AMX if re.search(r"^flags\b.*\bamx_tile\b", text, re.MULTILINE) else ""


def all_args(cmake_args: str) -> str:
    """What CMake is told: the project's own, and behind them what the user asks for."""
    return " ".join([OWN_ARGS, *cmake_args.split()])


def cache_folder(
    cmake_args: str,
    environ: Mapping[str, str],
    platform_name: str = sys.platform,
    *,
    flags: str = "",
) -> Path:
    """Where wheels of the engine built with `cmake_args` and compiler `flags` are kept."""
    key = hashlib.sha256(all_args(cmake_args).encode()).hexdigest()[:12]
    name = f"engine-{platform.machine()}-{key}"
    if flags:
        name += f"-{hashlib.sha256(flags.encode()).hexdigest()[:12]}"
    return _user_cache(environ, platform_name) / "inference-harness" / name


def is_cached(wanted: str, folder: Path) -> bool:
    """Whether a wheel of `wanted` ("name==version") that suits any Python 3 lies in `folder`."""
    name, _, version = wanted.partition("==")
    return any(folder.glob(f"{re.sub('[-_.]+', '_', name)}-{version}-py3-none-*.whl"))


def check_build(wanted: str, cmake_args: str, environ: Mapping[str, str]) -> int:
    """
    The bytes that compiling will take in the temporary folder; 0 when nothing is compiled.

    Raises:
        SetupError: Something will be compiled and there is no compiler.
    """
    if is_cached(wanted, cache_folder(cmake_args, environ, flags=compiler_flags())):
        return 0
    checks.compilers(environ)
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
    folder = cache_folder(cmake_args, environ, flags=compiler_flags())
    if not is_cached(wanted, folder):
        _build(python, wanted, cmake_args, folder, log=log, environ=environ)
    command = [str(python), "-m", "pip", "install", "--no-input", "--no-deps", "--no-index"]
    run_logged(
        [*command, "--force-reinstall", "--find-links", str(folder), wanted],
        label=f"Installing the engine {wanted}",
        log=log,
        environ=environ,
    )


def _build(
    python: Path,
    wanted: str,
    cmake_args: str,
    folder: Path,
    *,
    log: Path,
    environ: Mapping[str, str],
) -> None:
    """A wheel of `wanted` in `folder`, compiled here."""
    command = [str(python), "-m", "pip", "wheel", "-v", "--no-input", "--no-deps"]
    # What pip kept, or its maker's own wheel, was compiled otherwise.
    command += ["--no-cache-dir", "--no-binary", NAME]
    folder.mkdir(parents=True, exist_ok=True)
    # Folders of its own, so that an interrupted build leaves nothing behind, and no half wheel.
    with (
        tempfile.TemporaryDirectory(prefix="harness-setup-", ignore_cleanup_errors=True) as temp,
        tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as made,
    ):
        temporary = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), temp)
        flags = {
            name: f"{environ.get(name, '')} {compiler_flags()}".strip()
            for name in ("CFLAGS", "CXXFLAGS")
            if compiler_flags()
        }
        run_logged(
            [*command, "--wheel-dir", made, wanted],
            label=f"Making the engine {wanted}" + (f" ({cmake_args})" if cmake_args else ""),
            log=log,
            environ={**environ, **temporary, **flags, "CMAKE_ARGS": all_args(cmake_args)},
            announce={f"Building wheel for {NAME}": _ANNOUNCEMENT.format(kept=folder)},
        )
        for wheel in Path(made).glob("*.whl"):
            wheel.replace(folder / wheel.name)


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


def _user_cache(environ: Mapping[str, str], platform_name: str) -> Path:
    home = Path(environ.get("HOME") or Path.home())
    if platform_name == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData/Local")
    if platform_name == "darwin":
        return home / "Library/Caches"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
