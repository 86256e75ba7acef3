"""
Which llama-server is started, and what it is told: the wheel's, or a binary by its command line.

Both get what the engine in this process would have: the same threads, batches, context, cache
types and devices, whatever their own defaults are, and no cache of prompts in memory.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from harness.errors import HarnessError, UsageError
from harness.schema.served import WHEEL
from harness.schema.settings import Settings, option_name
from harness.serving.wheel_server import ABOUT

_INSTEAD = "or name a llama-server with --server-binary PATH"
MISSING = (
    "a server of the harness's own is missing: `pip install xllamacpp`, or harness with its extra "
    f"`serve`; {_INSTEAD}"
)
# -P: a folder of the user's that happens to hold an xllamacpp.py must not be imported.
_WHEEL_SERVER = (sys.executable, "-P", "-m", "harness.serving.wheel_server")
HOST = "127.0.0.1"
ALL_LAYERS = 999
"""What every llama-server takes for all of them; -1 is "as many as fit" to newer ones."""

_ANSWER_S = 20.0
# What tells a llama-server from llama.cpp's other programs.
_OF_A_SERVER = frozenset({"--model", "--ctx-size", "--parallel", "--host", "--port"})
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
_DEVICES = "Available devices:"
_DEVICE = re.compile(r"^\s+(\w+): ", re.MULTILINE)
_VERSION = re.compile(r"^version:\s*(\S.*?)\s*$", re.MULTILINE)
_LOAD_MODES = {"direct-io": "dio"}
# Of the fields of Settings those that are written another way than llama-server's option.
_OPTIONS = {"devices": "--device", "n_gpu_layers": "--n-gpu-layers", "n_ctx": "--ctx-size"} | {
    "n_cpu_moe": "--n-cpu-moe"
}


@dataclass(frozen=True)
class ServerSetup:
    """What is served and how; `n_ctx` positions for each of `n_slots` requests at once."""

    path: Path
    settings: Settings
    n_ctx: int
    n_slots: int = 1


class ServerProgram(Protocol):
    """A llama-server that can be started."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def build(self) -> str | None:
        """Which llama.cpp it is made of, as it says itself; None: it does not say."""

    @property
    def system_info(self) -> str | None:
        """Which instructions it was built for, in llama.cpp's words; None: it does not say."""

    @property
    def gpus(self) -> tuple[str, ...] | None:
        """Graphics cards that it can compute on; None: it does not say."""

    @property
    def takes_devices(self) -> bool:
        """Whether it can be told which of them to use."""

    def command(self, setup: ServerSetup, port: int) -> tuple[str, ...]:
        """
        The command line that serves on that port of the loopback.

        Raises:
            UsageError: It does not know one of the settings.
        """


def server_program(binary: Path | None) -> ServerProgram:
    """
    The server to start: `binary`, or None: the one that the extra `serve` brought.

    Raises:
        UsageError: `binary` is not there, cannot be run, or is no llama-server.
        HarnessError: The extra is not installed, or cannot be loaded.
    """
    if binary is not None:
        return _binary_program(binary)
    if find_spec(WHEEL) is None:
        raise HarnessError(MISSING)
    return _wheel_program()


@dataclass(frozen=True)
class WheelProgram:
    """The llama-server within Python that the wheel `xllamacpp` carries."""

    version: str
    system_info: str | None = None
    gpus: tuple[str, ...] | None = None
    takes_devices = False

    @property
    def name(self) -> str:
        """What a person calls it."""
        return "the llama-server of xllamacpp"

    @property
    def build(self) -> str:
        """The wheel's version, whose last part is llama.cpp's build."""
        return f"{WHEEL} {self.version}"

    def command(self, setup: ServerSetup, port: int) -> tuple[str, ...]:
        """As `ServerProgram.command`."""
        if setup.settings.devices:
            raise UsageError(
                f"{self.name} takes no --device: leave that out, or name a llama-server with "
                "--server-binary PATH"
            )
        told = setup.settings.model_dump() | {
            "path": str(setup.path),
            "n_ctx": setup.n_ctx * setup.n_slots,
            "n_slots": setup.n_slots,
            "port": port,
        }
        return (*_WHEEL_SERVER, json.dumps(told))


@dataclass(frozen=True)
class BinaryProgram:
    """A llama-server by its path, with the flags that its --help names."""

    path: Path
    flags: frozenset[str]
    build: str | None
    gpus: tuple[str, ...] | None = None
    system_info = None

    @property
    def takes_devices(self) -> bool:
        """Newer ones do."""
        return "--device" in self.flags

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.path.name

    def command(self, setup: ServerSetup, port: int) -> tuple[str, ...]:
        """As `ServerProgram.command`."""
        given = (
            *("--model", str(setup.path), "--host", HOST, "--port", str(port)),
            *("--parallel", str(setup.n_slots), "--ctx-size", str(setup.n_ctx * setup.n_slots)),
            *_options(setup.settings),
        )
        for flag in given:
            if flag.startswith("--") and flag not in self.flags:
                raise UsageError(
                    f"{self.path} does not know {flag}: leave that setting as it is, or name a "
                    "newer llama-server"
                )
        return (str(self.path), *given, *self._quiet())

    def _quiet(self) -> tuple[str, ...]:
        """
        Of what only some builds have: no page, no cache of prompts in memory, no fitting to free
        memory, and no answers to other pages in a browser.
        """
        page = next((flag for flag in ("--no-ui", "--no-webui") if flag in self.flags), None)
        return (
            *((page,) if page else ()),
            *(("--cache-ram", "0") if "--cache-ram" in self.flags else ()),
            *(("--fit", "off") if "--fit" in self.flags else ()),
            *(("--offline",) if "--offline" in self.flags else ()),
            *(("--cors-origins", "localhost") if "--cors-origins" in self.flags else ()),
        )


def server_environment() -> dict[str, str]:
    """Variables of this process, without those by which a llama-server is told its options."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LLAMA_ARG_") and name != "LLAMA_API_KEY"
    }
    # Else an abort starts a debugger, which prints pages and may hang.
    return kept | {"GGML_NO_BACKTRACE": "1"}


def _options(settings: Settings) -> tuple[str, ...]:
    """Threads, batches and layers, and whatever else is not llama-server's own default."""
    usual = Settings(n_threads=settings.n_threads)
    layers = ALL_LAYERS if settings.n_gpu_layers < 0 else settings.n_gpu_layers
    given = [
        *("--threads", str(settings.n_threads), "--threads-batch", str(settings.n_threads)),
        *("--batch-size", str(settings.n_batch), "--ubatch-size", str(settings.n_ubatch)),
        *("--n-gpu-layers", str(layers)),
    ]
    for field in ("n_cpu_moe", "split_mode", "main_gpu", "flash_attn", "type_k", "type_v"):
        if (value := getattr(settings, field)) != getattr(usual, field):
            given += [_OPTIONS.get(field, f"--{option_name(field)}"), str(value)]
    if settings.devices:
        given += ["--device", ",".join(settings.devices)]
    if settings.tensor_split:
        given += ["--tensor-split", ",".join(map(repr, settings.tensor_split))]
    if settings.load_mode != usual.load_mode:
        given += ["--load-mode", _LOAD_MODES.get(settings.load_mode, settings.load_mode)]
    if not settings.repack:
        given += ["--no-repack"]
    return tuple(given)


def _wheel_program() -> WheelProgram:
    told = subprocess.run(
        [*_WHEEL_SERVER, ABOUT],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=server_environment(),
        check=False,
    )
    if told.returncode != 0:
        why = (told.stderr.decode(errors="replace").splitlines() or ["it says nothing"])[-1]
        raise HarnessError(
            f"xllamacpp is installed and cannot be loaded: {why}; install it again, {_INSTEAD}"
        )
    about = json.loads(told.stdout)
    return WheelProgram(metadata.version(WHEEL), about["system_info"], tuple(about["gpus"]))


def _binary_program(binary: Path) -> BinaryProgram:
    flags = frozenset(_FLAG.findall(_answer(binary, "--help")))
    missing = sorted(_OF_A_SERVER - flags)
    if missing:
        raise UsageError(
            f"{binary} is no llama-server: its --help does not name {missing[0]}; name one with "
            "--server-binary PATH"
        )
    version = _VERSION.search(_answer(binary, "--version"))
    gpus = None
    if "--list-devices" in flags:
        gpus = tuple(_DEVICE.findall(_answer(binary, "--list-devices").partition(_DEVICES)[2]))
    return BinaryProgram(binary.absolute(), flags, version[1] if version else None, gpus)


def _answer(binary: Path, question: str) -> str:
    """What it prints when it is asked one thing."""
    if not binary.is_file():
        raise UsageError(f"{binary} is no file: name a llama-server with --server-binary PATH")
    try:
        told = subprocess.run(
            [binary.absolute(), question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=server_environment(),
            timeout=_ANSWER_S,
            check=False,
        )
    except OSError as error:
        raise UsageError(
            f"{binary} cannot be run ({error.strerror}): name a llama-server that can"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"{binary} is no llama-server: it did not answer {question} within {_ANSWER_S:.0f} s"
        ) from error
    return told.stdout.decode(errors="replace")
