from __future__ import annotations

import ast
import dataclasses
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from setup import checks, engine, install
from setup.checks import SetupError
from setup.progress import PLAIN_EVERY_S, Display, explain, run_logged

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "setup" / "bootstrap.py"
posix_only = pytest.mark.skipif(os.name == "nt", reason="shell scripts stand in for programs")

# Runs bootstrap.py as an old interpreter would see itself.
AS_PYTHON_3_8 = """
import runpy, sys
sys.version_info = (3, 8, 18, "final", 0)
sys.argv = [sys.argv[1], "--dev"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def run_old(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_PYTHON_3_8, str(BOOTSTRAP)],
        env={**os.environ, "PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What the set-up reads, without anything installed."""
    root = tmp_path / "tree"
    shutil.copytree(ROOT / "setup", root / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "harness").mkdir()
    shutil.copy(ROOT / "harness" / "__init__.py", root / "harness")
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def run_bootstrap(tree: Path, *, path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {key: value for key, value in os.environ.items() if key != "CMAKE_ARGS"}
    return subprocess.run(
        [sys.executable, str(tree / "setup" / "bootstrap.py")],
        env={**plain, "PATH": str(path), "PIP_NO_INDEX": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def state_of(tree: Path, environ: Mapping[str, str], before: install.State | None) -> install.State:
    return install.wanted_state(tree, before, environ, has_dev_tools=False)


# --------------------------------------------------------------- which Python


def test_bootstrap_is_readable_by_an_old_python() -> None:
    ast.parse(BOOTSTRAP.read_text("utf-8"), feature_version=(3, 4))


def test_a_python_too_old_with_no_newer_one_is_one_clear_line(tmp_path: Path) -> None:
    done = run_old(tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("setup: Python 3.11 or newer is needed")
    assert "is 3.8" in done.stderr


@posix_only
def test_a_newer_python_on_path_takes_over_with_the_same_arguments(tmp_path: Path) -> None:
    script = 'if [ "$1" = -c ]; then printf 3.12; else echo "took over: $*"; fi'
    program(tmp_path, "python3.12", script)

    done = run_old(tmp_path)

    assert done.returncode == 0
    assert done.stdout == f"took over: {BOOTSTRAP} --dev\n"


@posix_only
def test_a_name_on_path_that_starts_no_python_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path, "python3.13", "echo 'not installed' >&2; exit 127")
    program(tmp_path, "python3.12", "printf 3.9")  # lies about its name

    done = run_old(tmp_path)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


# ------------------------------------------------------- before the long part


@posix_only
def test_a_missing_compiler_is_said_before_anything_is_made(tree: Path, tmp_path: Path) -> None:
    done = run_bootstrap(tree, path=tmp_path, XDG_CACHE_HOME=str(tmp_path), HOME=str(tmp_path))

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no C compiler was found" in done.stderr
    assert not (tree / ".venv").exists()


@posix_only
def test_a_c_compiler_without_a_c_plus_plus_one_is_not_enough(tmp_path: Path) -> None:
    program(tmp_path, "cc", "exit 0")
    program(tmp_path, "apt-get", "exit 0")

    with pytest.raises(SetupError, match=r"no C\+\+ compiler .*`apt-get install build-essential`"):
        checks.compilers({"PATH": str(tmp_path)}, "linux")


@posix_only
def test_the_compiler_that_cc_names_is_the_one_looked_for(tmp_path: Path) -> None:
    program(tmp_path, "cc", "exit 0")
    program(tmp_path, "c++", "exit 0")

    checks.compilers({"PATH": str(tmp_path), "CC": "cc -m64"}, "linux")
    with pytest.raises(SetupError, match="CC=gcc-99"):
        checks.compilers({"PATH": str(tmp_path), "CC": "gcc-99"}, "linux")


@posix_only
def test_macos_without_developer_tools_is_told_the_command(tmp_path: Path) -> None:
    program(tmp_path, "cc", "exit 0")  # the stand-in that only opens a dialog

    with pytest.raises(SetupError, match="xcode-select --install"):
        checks.compilers({"PATH": str(tmp_path)}, "darwin")


def test_windows_without_a_compiler_is_told_what_to_install(tmp_path: Path) -> None:
    nowhere = {"PATH": str(tmp_path), "ProgramFiles(x86)": str(tmp_path)}

    with pytest.raises(SetupError, match="Build Tools for Visual Studio"):
        checks.compilers(nowhere, "win32")


def test_too_little_space_names_both_amounts(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no space: .* GB free in .* about 1000000\.0 GB needed"):
        checks.free_space({tmp_path: 10**15})


def test_folders_on_one_file_system_share_its_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage)

    checks.free_space({tmp_path / "a": 600, tmp_path / "b": 400})
    with pytest.raises(SetupError, match="no space"):
        checks.free_space({tmp_path / "a": 600, tmp_path / "b": 401})


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(SetupError, match=f"cannot write in {file}"):
        checks.writable(file)


def test_a_writable_folder_is_left_as_it_was(tmp_path: Path) -> None:
    checks.writable(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_python_without_ensurepip_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "ensurepip" else name)

    checks.virtual_environments(has_uv=True)
    with pytest.raises(SetupError, match=r"apt-get install python3\.\d+-venv"):
        checks.virtual_environments(has_uv=False)


# ------------------------------------------------------------------ the engine


def test_the_engine_is_pinned_to_one_version() -> None:
    name, operator, version = engine.requirement(ROOT / "pyproject.toml").partition("==")

    assert (name, operator) == ("llama-cpp-python", "==")
    assert version


def test_each_cmake_args_has_a_cache_of_its_own() -> None:
    home = {"HOME": "/home/a"}
    plain, cuda, vulkan = (
        engine.cache_folder(args, home, "linux")
        for args in ("", "-DGGML_CUDA=on", "-DGGML_VULKAN=on")
    )

    assert len({plain, cuda, vulkan}) == 3
    assert engine.cache_folder(" -DGGML_CUDA=on  ", home, "linux") == cuda


def test_a_processor_with_amx_gets_an_engine_without_it_and_apart(tmp_path: Path) -> None:
    amx, plain = tmp_path / "amx", tmp_path / "plain"
    amx.write_text("model name\t: Xeon\nflags\t\t: fpu avx512_vnni amx_bf16 amx_tile amx_int8\n")
    plain.write_text("flags\t\t: fpu avx2\n")

    flags = engine.compiler_flags(amx)

    assert "-mno-amx-tile" in flags
    assert engine.compiler_flags(plain) == engine.compiler_flags(tmp_path / "none") == ""
    home = {"HOME": "/home/a"}
    assert engine.cache_folder("", home, "linux", flags=flags) != engine.cache_folder(
        "", home, "linux"
    )


@pytest.mark.parametrize(
    "change", [{"compiler_flags": "-mno-such-flag"}, {"own_args": ""}, {"cmake_args": "-DA=on"}]
)
def test_an_engine_compiled_otherwise_is_not_kept(tree: Path, change: dict[str, Any]) -> None:
    wanted = state_of(tree, {}, None)
    before = dataclasses.replace(wanted, **change)

    assert not install._has_engine(before, wanted)
    assert not install._has_engine(None, wanted)
    assert install._has_engine(wanted, wanted)


def test_the_engine_has_rpc_unless_the_user_says_otherwise() -> None:
    assert engine.all_args("") == "-DGGML_RPC=on"
    # CMake takes the last of two.
    assert engine.all_args(" -DGGML_RPC=off ").split() == ["-DGGML_RPC=on", "-DGGML_RPC=off"]


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/h"}, "/h/.cache"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches"),
        ("win32", {"HOME": "/h", "LOCALAPPDATA": "/l"}, "/l"),
    ],
)
def test_wheels_are_kept_in_the_cache_folder_of_the_system(
    platform: str, environ: dict[str, str], expected: str
) -> None:
    folder = engine.cache_folder("", environ, platform)

    assert folder.parent == Path(expected) / "inference-harness"


def test_only_a_kept_wheel_of_the_same_version_for_any_python_spares_the_build(
    tmp_path: Path,
) -> None:
    (tmp_path / "llama_cpp_python-0.3.36-py3-none-linux_x86_64.whl").touch()
    (tmp_path / "llama_cpp_python-0.3.37-cp312-cp312-linux_x86_64.whl").touch()

    assert engine.is_cached("llama-cpp-python==0.3.36", tmp_path)
    assert not engine.is_cached("llama-cpp-python==0.3.37", tmp_path)
    assert not engine.is_cached("llama-cpp-python==0.3.3", tmp_path)


def test_cmake_args_not_set_keep_the_engine_and_set_to_nothing_reset_it(tree: Path) -> None:
    cuda = state_of(tree, {"CMAKE_ARGS": "-DGGML_CUDA=on"}, None)

    assert cuda.cmake_args == "-DGGML_CUDA=on"
    assert state_of(tree, {}, cuda) == cuda
    assert state_of(tree, {"CMAKE_ARGS": ""}, cuda).cmake_args == ""


# ------------------------------------------------------------- the environment


def complete(tree: Path, **changes: object) -> None:
    """A `.venv` with a working interpreter and the stamp of a finished set-up."""
    venv = tree / ".venv"
    python = install.interpreter(venv)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    state = {**asdict(state_of(tree, {}, None)), **changes}
    (venv / install.STAMP).write_text(json.dumps(state))


@posix_only
def test_a_complete_set_up_starts_nothing_and_says_nothing(tree: Path, tmp_path: Path) -> None:
    complete(tree)

    done = run_bootstrap(tree, path=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@posix_only
@pytest.mark.parametrize(
    "changed", ["pyproject.toml", "setup/constraints.txt", "harness/__init__.py"]
)
def test_a_changed_source_asks_for_a_new_install(tree: Path, changed: str) -> None:
    complete(tree)
    before = install.read_state(tree / ".venv")
    assert before == state_of(tree, {}, before)

    with (tree / changed).open("a") as file:
        file.write("\n# changed\n")

    assert before != state_of(tree, {}, before)


@posix_only
def test_tools_that_are_there_are_kept_when_not_asked_for(tree: Path) -> None:
    complete(tree, has_dev_tools=True)
    before = install.read_state(tree / ".venv")

    assert before == state_of(tree, {}, before)


@posix_only
def test_an_interrupted_or_moved_environment_is_made_anew(tree: Path) -> None:
    complete(tree)
    venv = tree / ".venv"
    whole = install.read_state(venv)
    assert whole is not None

    assert install.can_keep(venv, whole)
    assert not install.can_keep(venv, replace(whole, is_complete=False))
    assert not install.can_keep(venv, replace(whole, folder="/elsewhere/.venv"))


@posix_only
def test_an_environment_whose_python_went_away_is_not_complete(tree: Path) -> None:
    complete(tree)
    python = install.interpreter(tree / ".venv")
    python.unlink()
    python.symlink_to(tree / "upgraded-away")

    state = install.read_state(tree / ".venv")

    assert state is not None
    assert not state.is_complete


def test_an_environment_made_by_hand_is_taken_over_when_it_works() -> None:
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests do not run in a virtual environment")
    assert install.can_keep(Path(sys.prefix), None)


def test_a_half_made_environment_is_replaced_and_a_strange_folder_is_not(tmp_path: Path) -> None:
    half, strange = tmp_path / "half", tmp_path / "strange"
    half.mkdir()
    (half / "pyvenv.cfg").touch()
    strange.mkdir()
    (strange / "letters.txt").touch()

    assert not install.can_keep(half, None)
    with pytest.raises(SetupError, match="is no virtual environment"):
        install.can_keep(strange, None)


def test_a_damaged_stamp_is_no_stamp(tmp_path: Path) -> None:
    (tmp_path / install.STAMP).write_text('{"folder": "x"')
    assert install.read_state(tmp_path) is None
    (tmp_path / install.STAMP).write_text('{"unknown": 1}')
    assert install.read_state(tmp_path) is None


def test_uv_installs_when_it_is_there_and_pip_otherwise(tree: Path) -> None:
    python = tree / "python"
    by_uv = install.install_command(tree, python, "/bin/uv", has_dev_tools=True, is_pinned=True)
    by_pip = install.install_command(tree, python, None, has_dev_tools=False, is_pinned=False)

    assert by_uv[:5] == ["/bin/uv", "pip", "install", "--python", str(python)]
    assert any(tool.startswith("pytest>=") for tool in by_uv)
    assert by_pip == [str(python), "-m", "pip", "install", "--no-input", "--editable", str(tree)]


@posix_only
def test_a_set_up_without_its_extras_goes_on_and_says_what_lacks(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = program(tmp_path, "python", 'echo "no wheel for: $*"; exit 1')

    install.add_extras(tree, python, None, is_pinned=True, log=tmp_path / "log", environ=os.environ)

    said = capsys.readouterr().err
    assert "setup: pages will have no pictures: " in said
    assert "setup: no server can be measured without --server-binary: " in said
    log = (tmp_path / "log").read_text("utf-8")
    assert "--only-binary :all: altair" in log
    assert "--only-binary :all: xllamacpp" in log


# ----------------------------------------------------------- the long command


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def say(script: str, tmp_path: Path, **announce: str) -> str:
    shown = io.StringIO()
    run_logged(
        [sys.executable, "-c", script],
        label="Step",
        log=tmp_path / "log",
        environ=os.environ,
        stream=shown,
        announce=announce,
    )
    return shown.getvalue()


def test_a_line_is_announced_once_and_everything_is_kept(tmp_path: Path) -> None:
    shown = say("for i in range(2): print('Building', i)", tmp_path, Building="takes long")

    assert shown.count("takes long") == 1
    assert shown.splitlines()[-1].startswith("  Step  done")
    assert "Building 0\nBuilding 1\n" in (tmp_path / "log").read_text()


def test_a_failed_command_tells_its_cause_and_its_log(tmp_path: Path) -> None:
    script = (
        "print('x'); print('CMake Error at a:1'); print('  No such thing'); raise SystemExit(3)"
    )

    with pytest.raises(SetupError) as caught:
        say(script, tmp_path)

    first, *quoted = str(caught.value).splitlines()
    log = tmp_path / "log"
    assert first == f"Step failed: it ended with exit code 3; everything it said is in {log}"
    assert quoted == ["    CMake Error at a:1", "    No such thing"]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "out of memory"),
        ("Could not find nvcc, please set CUDAToolkit_ROOT.", "put nvcc on PATH"),
        ("Temporary failure in name resolution", "cannot be reached"),
    ],
)
def test_a_known_failure_comes_with_advice(said: str, advice: str) -> None:
    assert advice in explain("Step", 1, [said], Path("log")).splitlines()[0]


def test_a_program_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot start"):
        run_logged([str(tmp_path / "no")], label="Step", log=tmp_path / "log", environ=os.environ)


def test_without_a_terminal_a_line_comes_now_and_then() -> None:
    shown = io.StringIO()
    now = 0.0
    display = Display("Compiling", shown, lambda: now)
    display.step = "[12/193]"
    for second in range(2 * PLAIN_EVERY_S + 1):
        now = float(second)
        display.beat()

    assert shown.getvalue().splitlines() == [
        "  Compiling  [12/193]  0m30s",
        "  Compiling  [12/193]  1m00s",
    ]


def test_on_a_terminal_one_line_moves() -> None:
    shown = Terminal()
    now = 0.0
    display = Display("Compiling", shown, lambda: now)
    for second in range(3):
        now = float(second)
        display.beat()

    assert shown.getvalue().count("\n") == 0
    assert shown.getvalue().count("\r") == 3


@posix_only
def test_an_interrupt_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    # A compiler behind a build tool: the grandchild that a plain terminate() would leave behind.
    build = f"sleep 60 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait"
    script = (
        "import os, sys; from pathlib import Path; from setup.progress import run_logged\n"
        f"run_logged(['sh', '-c', {build!r}], label='Step', log=Path({str(tmp_path / 'log')!r}),"
        " environ=os.environ)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for(pid_file.exists)

    parent.send_signal(signal.SIGINT)

    assert parent.wait(timeout=20) != 0
    grandchild = int(pid_file.read_text())
    wait_for(lambda: not is_running(grandchild))


def wait_for(condition: object, limit_s: float = 20) -> None:
    assert callable(condition)
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # In a container nobody may collect an orphan: a zombie is as dead.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
