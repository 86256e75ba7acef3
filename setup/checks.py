"""
What would make the set-up fail late, asked before the long part begins.

Each check raises `SetupError` with one line: what is missing, and what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path


class SetupError(Exception):
    """The set-up cannot go on; the message is one line for a person."""


# What each step was seen to take on x86-64 Linux, Python 3.11, llama-cpp-python 0.3.36:
# .venv with the development tools 489 MB, what draws pictures 103 MB, the model server 102 MB, and
# the default model is 98 MB beside it.
ENVIRONMENT_BYTES = 900_000_000
# Compiling for the CPU: archive 77 MB, unpacked 217 MB, then object files, cmake, ninja and the
# finished wheel; 300 MB stood there after the first 26 of 193 files. Room for about twice the
# whole, as a disk that fills up half-way costs ten minutes.
BUILD_BYTES = 1_000_000_000
# A GPU backend compiles hundreds of kernels more, CUDA's the biggest; not measured, a caution.
GPU_BUILD_BYTES = 4_000_000_000

_INSTALL_COMPILER = {
    "apt-get": "apt-get install build-essential",
    "dnf": "dnf install gcc-c++ make",
    "pacman": "pacman -S base-devel",
    "zypper": "zypper install gcc-c++ make",
    "apk": "apk add build-base linux-headers",
}


def writable(folder: Path) -> None:
    """Raises unless a file can be made in `folder`; asked by doing it, as root may do anything."""
    probe = folder / f".setup-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SetupError(
            f"cannot write in {folder} ({error.strerror}); make the folder yours or copy the "
            "project to one that is"
        ) from None


def virtual_environments(*, has_uv: bool) -> None:
    """Raises when this Python lacks what makes virtual environments and uv is not there either."""
    if has_uv or (find_spec("venv") and find_spec("ensurepip")):
        return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise SetupError(
        f"Python {version} ({sys.executable}) cannot make virtual environments: ensurepip is "
        f"missing; on Debian and Ubuntu run `apt-get install python{version}-venv`, or install uv"
    )


def compilers(environ: Mapping[str, str], platform: str = sys.platform) -> None:
    """Raises unless a C and a C++ compiler are there; called only when something is compiled."""
    missing = {
        "darwin": _missing_on_macos,
        "win32": _missing_on_windows,
    }.get(platform, _missing_on_path)(environ)
    if missing:
        raise SetupError(f"the engine is compiled here and {missing}, then run make again")


def free_space(needs: Mapping[Path, int]) -> None:
    """
    Raises when a file system has less room than the set-up will take.

    Args:
        needs: Folder to the bytes that will be written in it; folders on one file system add up.
    """
    wanted: dict[int, int] = {}
    for folder, n_bytes in needs.items():
        place = _existing(folder)
        device = place.stat().st_dev
        wanted[device] = wanted.get(device, 0) + n_bytes
        free = shutil.disk_usage(place).free
        if free < wanted[device]:
            is_temporary = folder == Path(tempfile.gettempdir())
            remedy = "set TMPDIR to a folder with more" if is_temporary else "free some"
            raise SetupError(
                f"no space: {free / 1e9:.1f} GB free in {folder}, about "
                f"{wanted[device] / 1e9:.1f} GB needed; {remedy}, then run make again"
            )


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _missing_on_path(environ: Mapping[str, str]) -> str | None:
    path = environ.get("PATH", "")
    for language, variable, names in (
        ("C", "CC", ("cc", "gcc", "clang")),
        ("C++", "CXX", ("c++", "g++", "clang++")),
    ):
        # CC may carry arguments ("ccache gcc"): its first word is the program.
        chosen = environ.get(variable, "").split()[:1]
        if not any(shutil.which(name, path=path) for name in chosen or names):
            tried = f"{variable}={chosen[0]}" if chosen else ", ".join(names)
            return f"no {language} compiler was found (tried {tried}); install one{_how(path)}"
    return None


def _how(path: str) -> str:
    for manager, command in _INSTALL_COMPILER.items():
        if shutil.which(manager, path=path):
            return f" with `{command}`"
    return ""


def _missing_on_macos(environ: Mapping[str, str]) -> str | None:
    # /usr/bin/cc is always there; without the developer tools it only opens a dialog.
    if _succeeds(["xcode-select", "-p"], environ):
        return None
    return "the command line developer tools are missing; run `xcode-select --install`"


def _missing_on_windows(environ: Mapping[str, str]) -> str | None:
    path = environ.get("PATH", "")
    if any(shutil.which(name, path=path) for name in ("cl", "clang-cl", "g++", "clang++")):
        return None
    base = environ.get("ProgramFiles(x86)", r"C:\Program Files (x86)")
    finder = Path(base) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    tools = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    question = [str(finder), "-products", "*", "-requires", tools, "-property", "installationPath"]
    if _succeeds(question, environ):
        return None
    return (
        "no C++ compiler was found; install Build Tools for Visual Studio with "
        "'Desktop development with C++'"
    )


def _succeeds(command: list[str], environ: Mapping[str, str]) -> bool:
    """Whether `command` ends well and answers something."""
    try:
        done = subprocess.run(command, capture_output=True, env=dict(environ), check=False)
    except OSError:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
