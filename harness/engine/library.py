"""
llama.cpp through its low-level functions: the library, its log, its devices.

Only this package imports `llama_cpp`, and nothing in it decides what is measured; see
workloads.py. Everything that opens a model file belongs in the worker process: some damaged
files make the library abort.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import llama_cpp.llama_cpp as lib
from llama_cpp import __version__ as binding_version

from harness.engine import log
from harness.engine.ggml import Ggml
from harness.engine.rpc import Rpc
from harness.schema.experiment import Buffer, EngineInfo
from harness.schema.planned import PlannedBuffer

_DEBUG, _WARNING, _ERROR, _CONTINUED = 1, 3, 4, 5  # enum ggml_log_level


class Engine:
    """The library, its log and its devices; one a process."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._lines: list[tuple[int, str]] = []
        self._on_line = on_line
        # Kept on the object: the library holds only the bare pointer.
        self._callback = lib.llama_log_callback(self._log)
        self.ggml = Ggml(lib._lib, Path(lib._base_path))
        self.rpc = Rpc(self.ggml)
        lib.llama_log_set(self._callback, None)
        lib.llama_backend_init()

    def _log(self, level: int, text: bytes, _: object) -> None:
        line = text.decode(errors="replace")
        if "[" in line:
            line = self.rpc.named(line)
        if level == _CONTINUED and self._lines:
            before_level, before = self._lines[-1]
            self._lines[-1] = (before_level, before + line)
        # Of the debug lines there are thousands, about single tensors.
        elif level != _DEBUG or log.tells_place(line):
            self._lines.append((level, line))
        if level != _DEBUG:
            self._on_line(line)

    @contextlib.contextmanager
    def overheard(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Passes every piece of the log on to `listener` too, for as long as the block runs."""
        before = self._on_line

        def pass_on(text: str) -> None:
            before(text)
            listener(text)

        self._on_line = pass_on
        try:
            yield
        finally:
            self._on_line = before

    def text(self) -> str:
        """All of the log since the last `forget_log`, debug lines aside."""
        return "".join(text for _, text in self._lines)

    def errors(self) -> list[str]:
        """The error lines since the last `forget_log`; warnings where there was no error."""
        errors = [text for level, text in self._lines if level == _ERROR]
        return errors or [text for level, text in self._lines if level == _WARNING]

    def buffers(self) -> tuple[Buffer, ...]:
        """The buffers reported since the last `forget_log`."""
        return log.buffers(text for _, text in self._lines)

    def planned_buffers(self) -> tuple[PlannedBuffer, ...]:
        """The same of a context that was planned without being allocated."""
        return log.planned_buffers(text for _, text in self._lines)

    def forget_log(self) -> None:
        """Starts a new stretch of log."""
        self._lines.clear()

    def info(self) -> EngineInfo:
        """Which engine this is, how it was built, and what it found on this machine."""
        devices = self.ggml.devices()
        return EngineInfo(
            binding="llama-cpp-python",
            binding_version=binding_version,
            library_version=f"llama {lib.llama_version().decode()}, ggml {self.ggml.version()}",
            library_commit=self.ggml.commit(),
            system_info=lib.llama_print_system_info().decode(errors="replace").strip(" |\n"),
            # By the devices alone: with RPC built in, llama_supports_gpu_offload() says yes, and
            # the log "offloaded 31/31 layers to GPU", where there is neither server nor card.
            supports_gpu_offload=any(device.is_gpu for device in devices),
            devices=devices,
        )
