"""llama-bench as the other side: one fresh process each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import click

from harness.schema.settings import Settings
from harness.schema.workload import Decode, Prefill
from harness.schema.workload_kind import Workload

# What has to be equal on both sides, and has the same name there.
_SAME = (
    "n_threads", "n_batch", "n_ubatch", "n_gpu_layers", "n_cpu_moe", "type_k", "type_v",
    "load_mode", "repack", "split_mode",
)  # fmt: skip


@dataclass
class LlamaBench:
    """The program `binary`; with `libraries`, on the shared libraries that lie in that folder."""

    name: ClassVar[str] = "llama-bench"

    binary: Path
    settings: Settings
    n_reps: int
    libraries: Path | None = None
    arguments: tuple[str, ...] = ()
    commit: str | None = field(default=None, init=False)

    def measured(self, model: Path, tasks: Sequence[Workload]) -> Mapping[str, Sequence[float]]:
        """
        Tokens per second of each repetition; its tokens are always the same random ones.

        Raises:
            ClickException: It failed, or measured something else.
        """
        return {task.name: self._rates(model, task) for task in tasks}

    def _rates(self, model: Path, workload: Workload) -> tuple[float, ...]:
        said = said_by(self._command(model, workload), self.libraries)
        rates, self.commit = parse_llama_bench(said, self.settings)
        return rates

    def system_info(self) -> str | None:
        """See the function of that name."""
        return system_info(self.binary, self.libraries)

    def _command(self, model: Path, workload: Workload) -> list[str]:
        if not isinstance(workload, Prefill | Decode):
            raise click.UsageError(f"llama-bench has no {workload.name}: only ppN and tgN.")
        settings = self.settings
        given = {
            "-m": model, "-r": self.n_reps, "-p": workload.n_prompt, "-n": workload.n_generated,
            "-d": workload.depth, "-t": settings.n_threads, "-b": settings.n_batch,
            "-ub": settings.n_ubatch, "-o": "json",
        }  # fmt: skip
        words = [str(word) for option in given.items() for word in option]
        return [str(self.binary), *words, *self.arguments]


def said_by(command: Sequence[str], libraries: Path | None) -> str:
    """
    What a program prints; with `libraries` on the shared libraries that lie in that folder.

    Raises:
        ClickException: It failed.
    """
    environment = environment_with(libraries)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise click.ClickException(f"{command[0]} ended with {done.returncode}: {tail}")
    return done.stdout


def environment_with(libraries: Path | None) -> dict[str, str]:
    """Our own environment, in which programs take their shared libraries from `libraries`."""
    if libraries is None:
        return dict(os.environ)
    name = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    return os.environ | {name: str(libraries)}


def system_info(binary: Path, libraries: Path | None) -> str | None:
    """
    What a program's library was compiled for, asked of the library in a process of its own.

    None where it cannot be found beside the binary or in `libraries`.
    """
    suffix = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
    library = (libraries or binary.parent) / f"libllama.{suffix}"
    code = (
        "import ctypes, sys; lib = ctypes.CDLL(sys.argv[1]); "
        "lib.llama_print_system_info.restype = ctypes.c_char_p; "
        "lib.llama_backend_init(); print(lib.llama_print_system_info().decode())"
    )
    command = [sys.executable, "-P", "-c", code, str(library)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stdout.strip(" |\n") or None


def parse_llama_bench(text: str, settings: Settings) -> tuple[tuple[float, ...], str]:
    """
    Tokens per second of each repetition, and the commit, from `llama-bench -o json`.

    Raises:
        ClickException: Not one test, or one with other settings than ours.
    """
    tests = json.loads(text)
    if len(tests) != 1:
        raise click.ClickException(f"llama-bench told of {len(tests)} tests instead of one.")
    test, ours = tests[0], settings.model_dump()
    different = [
        f"{name} is {test[name]} there and {ours[name]} here"
        for name in _SAME
        if name in test and test[name] != ours[name]
    ]
    if different:
        raise click.ClickException(f"llama-bench measured something else: {'; '.join(different)}.")
    n_tokens = test["n_prompt"] + test["n_gen"]
    # samples_ts is printed with six digits only.
    return tuple(n_tokens / ns * 1e9 for ns in test["samples_ns"]), test["build_commit"]
