"""
Makes `.venv` and everything in it; finds it complete in a blink the second time.

`.venv/harness-setup.json` says what was installed, and is marked unfinished before anything is
touched: an environment that was interrupted half-way is made anew, not repaired.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from setup import checks, engine
from setup.checks import SetupError
from setup.progress import run_logged

ROOT = Path(__file__).resolve().parent.parent
STAMP = "harness-setup.json"
# Make hands its own options down; CMake's generators would take them for theirs.
_NOT_FOR_CHILDREN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
# Extra: what is said while it is installed, and what lacks where it cannot be.
_EXTRAS = {
    "report": ("Installing what draws pictures", "pages will have no pictures"),
    "serve": ("Installing a model server", "no server can be measured without --server-binary"),
    "fleet": ("Installing what asks other machines", "no fleet of machines can be measured"),
}


@dataclass(frozen=True)
class State:
    """What an environment holds, as its stamp says it."""

    folder: str
    sources: str
    has_dev_tools: bool
    engine: str
    cmake_args: str
    is_complete: bool
    compiler_flags: str = ""
    own_args: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 ready, 1 something is missing (said in one line), 130 interrupted."""
    parser = argparse.ArgumentParser(prog="setup", description="Make .venv and install harness.")
    parser.add_argument("--dev", action="store_true", help="with the tools for tests and checks")
    parser.add_argument(
        "--unpinned", action="store_true", help="newest versions, not setup/constraints.txt"
    )
    options = parser.parse_args(arguments)
    environ = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_CHILDREN}
    environ["PIP_USER"] = "0"  # a habit of some configurations, refused inside an environment
    environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        set_up(ROOT, has_dev_tools=options.dev, is_pinned=not options.unpinned, environ=environ)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run make again and it starts over cleanly", file=sys.stderr)
        return 130
    return 0


def set_up(root: Path, *, has_dev_tools: bool, is_pinned: bool, environ: Mapping[str, str]) -> None:
    """
    Leaves a complete `.venv` in `root`, or raises SetupError.

    CMAKE_ARGS that is not set leaves the engine that is there; set, even to nothing, it decides.
    """
    venv = root / ".venv"
    before = read_state(venv)
    wanted = wanted_state(root, before, environ, has_dev_tools=has_dev_tools)
    if before == wanted:
        return
    checks.writable(root)
    keeps = can_keep(venv, before)
    has_engine = keeps and _has_engine(before, wanted)
    uv = shutil.which("uv", path=environ.get("PATH"))
    if not keeps:
        checks.virtual_environments(has_uv=uv is not None)
    build_bytes = 0 if has_engine else engine.check_build(wanted.engine, wanted.cmake_args, environ)
    venv_bytes = 0 if keeps else checks.ENVIRONMENT_BYTES
    checks.free_space({Path(tempfile.gettempdir()): build_bytes, root: venv_bytes})
    if not keeps:
        make_environment(venv, uv, environ)
    _write_state(venv, replace(wanted, is_complete=False))
    log = venv / "setup.log"
    python = interpreter(venv)
    if not has_engine:
        engine.install(python, wanted.engine, wanted.cmake_args, log=log, environ=environ)
    run_logged(
        install_command(root, python, uv, has_dev_tools=wanted.has_dev_tools, is_pinned=is_pinned),
        label="Installing harness" + (" with its test tools" if wanted.has_dev_tools else ""),
        log=log,
        environ=environ,
    )
    if engine.version_that_loads(python, environ) is None:
        raise SetupError(f"{wanted.engine} was installed but does not load; see {log}")
    add_extras(root, python, uv, is_pinned=is_pinned, log=log, environ=environ)
    _write_state(venv, wanted)


def add_extras(
    root: Path,
    python: Path,
    uv: str | None,
    *,
    is_pinned: bool,
    log: Path,
    environ: Mapping[str, str],
) -> None:
    """
    The extras of `_EXTRAS` installed where they come ready-made; elsewhere a line says what lacks.

    All else works without them, and where one would have to be compiled that takes compilers and
    minutes that nobody asked for.
    """
    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    command = [*_installer(root, python, uv, is_pinned=is_pinned), "--only-binary", ":all:"]
    for extra, (label, without) in _EXTRAS.items():
        wanted = declared.get("optional-dependencies", {}).get(extra, [])
        if not wanted:
            continue
        try:
            run_logged([*command, *wanted], label=label, log=log, environ=environ)
        except SetupError as error:
            print(f"setup: {without}: {error}", file=sys.stderr)


def wanted_state(
    root: Path, before: State | None, environ: Mapping[str, str], *, has_dev_tools: bool
) -> State:
    """What `.venv` should hold; development tools that are there stay there."""
    cmake_args = environ.get("CMAKE_ARGS", before.cmake_args if before else "")
    pyproject, pins = root / "pyproject.toml", root / "setup/constraints.txt"
    # The version stands in harness/__init__.py, and pip records it when it installs.
    told = b"".join(p.read_bytes() for p in (pyproject, pins, root / "harness/__init__.py"))
    return State(
        folder=str(root / ".venv"),
        sources=hashlib.sha256(told).hexdigest(),
        has_dev_tools=has_dev_tools or (before is not None and before.has_dev_tools),
        engine=engine.requirement(pyproject),
        cmake_args=" ".join(cmake_args.split()),
        is_complete=True,
        compiler_flags=engine.compiler_flags(),
        own_args=engine.OWN_ARGS,
    )


def read_state(venv: Path) -> State | None:
    """What the stamp says; None without one, or when it is not ours to understand."""
    try:
        state = State(**json.loads((venv / STAMP).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    # The interpreter goes when its maker upgrades it away: the link then leads nowhere.
    return state if interpreter(venv).exists() else replace(state, is_complete=False)


def interpreter(venv: Path) -> Path:
    """The Python inside `venv`."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def can_keep(venv: Path, before: State | None) -> bool:
    """
    Whether the environment in `venv` can be added to, rather than made anew.

    One that was moved cannot: its programs name the old place in their first line. One without a
    stamp was made by hand and is taken over when it works.

    Raises:
        SetupError: There is something in the way that is no virtual environment.
    """
    if before is not None:
        return before.is_complete and before.folder == str(venv)
    if not venv.exists():
        return False
    question = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run(
            [str(interpreter(venv)), "-c", question], capture_output=True, check=False
        )
        if done.returncode == 0:
            return True
    except OSError:
        pass  # no interpreter in it
    if (venv / "pyvenv.cfg").exists() or (venv.is_dir() and not any(venv.iterdir())):
        return False
    raise SetupError(f"{venv} is in the way and is no virtual environment; move it, run make again")


def make_environment(venv: Path, uv: str | None, environ: Mapping[str, str]) -> None:
    """A new, empty virtual environment with pip in it, in place of whatever was there."""
    # Not sys.executable: that may be the very environment about to be removed.
    base = getattr(sys, "_base_executable", sys.executable)
    removed = venv.parent / "build" / "venv-removed"
    removed.parent.mkdir(exist_ok=True)
    if venv.exists():
        # Away in one step: half an environment under the old name could be taken for a whole one.
        shutil.rmtree(removed, ignore_errors=True)
        venv.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)
    command = (
        [uv, "venv", "--quiet", "--seed", "--python", base, str(venv)]
        if uv
        else [base, "-m", "venv", str(venv)]
    )
    run_logged(
        command, label="Making .venv", log=removed.with_name("setup-venv.log"), environ=environ
    )


def install_command(
    root: Path, python: Path, uv: str | None, *, has_dev_tools: bool, is_pinned: bool
) -> list[str]:
    """
    What installs harness, editable, into the environment of `python`.

    The tools are named one by one: pip knows dependency groups from 25.1 on, and the pip that
    comes with Python 3.11 is older.
    """
    installer = _installer(root, python, uv, is_pinned=is_pinned)
    declared = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    tools = declared["dependency-groups"]["dev"] if has_dev_tools else []
    return [*installer, "--editable", str(root), *tools]


def _installer(root: Path, python: Path, uv: str | None, *, is_pinned: bool) -> list[str]:
    pins = ["--constraint", str(root / "setup/constraints.txt")] if is_pinned else []
    if uv:
        return [uv, "pip", "install", "--python", str(python), *pins]
    return [str(python), "-m", "pip", "install", "--no-input", *pins]


def _has_engine(before: State | None, wanted: State) -> bool:
    if before is None:  # made by hand, nobody knows how
        return False
    facts = ((it.engine, it.cmake_args, it.compiler_flags, it.own_args) for it in (before, wanted))
    return len({*facts}) == 1


def _write_state(venv: Path, state: State) -> None:
    text = json.dumps(asdict(state), indent=2) + "\n"
    temporary = venv / f"{STAMP}.new"
    temporary.write_text(text, "utf-8")
    temporary.replace(venv / STAMP)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
