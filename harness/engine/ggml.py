"""
ctypes view of the few ggml functions that the binding leaves out: devices and thread pools.

`llama_cpp` wraps llama.h only. What a machine offers is told by ggml's device API, and
llama.cpp's own tools compute on a thread pool they attach themselves.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Literal

from harness.schema.machine import Device

_MAX_THREADS = 512  # GGML_MAX_N_THREADS, the length of a CPU mask
_POLL_PERCENT = 50  # llama-bench's default: how eagerly idle threads spin before they sleep
_DEVICE_KINDS: dict[int, Literal["cpu", "gpu", "igpu", "accel", "meta"]] = {
    0: "cpu",
    1: "gpu",
    2: "igpu",
    3: "accel",
    4: "meta",
}  # enum ggml_backend_dev_type


class _ThreadpoolParams(ctypes.Structure):
    """struct ggml_threadpool_params of ggml.h."""

    _fields_ = (
        ("cpumask", ctypes.c_bool * _MAX_THREADS),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool),
        ("paused", ctypes.c_bool),
    )


class Ggml:
    """
    The ggml that `llama`, the engine's own library, is linked with.

    `folder` is where its libraries lie; only Windows needs it.
    """

    def __init__(self, llama: ctypes.CDLL, folder: Path) -> None:
        # A symbol is also looked for in what a library is linked with. Opening the files by name
        # would load them a second time: the engine knows them as libggml.so.0, another copy.
        self._base = self._ggml = llama
        if sys.platform == "win32":
            self._base = ctypes.CDLL(str(_library(folder, "ggml-base")))
            self._ggml = ctypes.CDLL(str(_library(folder, "ggml")))
        self._declare()

    def _declare(self) -> None:
        pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
        size_p = ctypes.POINTER(ctypes.c_size_t)
        for library, name, result, arguments in (
            (self._ggml, "ggml_backend_dev_count", size, ()),
            (self._ggml, "ggml_backend_dev_get", pointer, (size,)),
            (self._ggml, "ggml_backend_reg_by_name", pointer, (text,)),
            (self._ggml, "ggml_backend_register", None, (pointer,)),
            (self._base, "ggml_backend_dev_name", text, (pointer,)),
            (self._base, "ggml_backend_dev_description", text, (pointer,)),
            (self._base, "ggml_backend_dev_type", ctypes.c_int, (pointer,)),
            (self._base, "ggml_backend_dev_init", pointer, (pointer, text)),
            (self._base, "ggml_backend_dev_memory", None, (pointer, size_p, size_p)),
            (self._base, "ggml_backend_dev_buffer_type", pointer, (pointer,)),
            (self._base, "ggml_backend_dev_backend_reg", pointer, (pointer,)),
            (self._base, "ggml_backend_reg_get_proc_address", pointer, (pointer, text)),
            (self._base, "ggml_threadpool_params_default", _ThreadpoolParams, (ctypes.c_int,)),
            (self._base, "ggml_get_name", text, (pointer,)),
            (self._base, "ggml_backend_buffer_name", text, (pointer,)),
            (self._base, "ggml_version", text, ()),
            (self._base, "ggml_commit", text, ()),
        ):
            function = getattr(library, name)
            function.restype = result
            function.argtypes = list(arguments)

    def version(self) -> str:
        """The version of ggml, e.g. "0.25.3"."""
        return str(self._base.ggml_version().decode())

    def commit(self) -> str:
        """The commit ggml was built from; "unknown" where the build did not know it."""
        return str(self._base.ggml_commit().decode())

    def handles(self) -> dict[str, int]:
        """Device name to its handle, in the engine's order."""
        handles = (self._ggml.ggml_backend_dev_get(i) for i in range(self._count()))
        return {self._name(handle): handle for handle in handles}

    def devices(self) -> tuple[Device, ...]:
        """All devices with the memory they have and have free now."""
        return tuple(self._device(handle) for handle in self.handles().values())

    def cpu_buffer_type(self) -> int:
        """Handle of plain system memory, for tensors that must stay there."""
        return self.buffer_type(self._cpu())

    def buffer_type(self, handle: int) -> int:
        """Handle of the memory in which a device has tensors."""
        return int(self._base.ggml_backend_dev_buffer_type(handle))

    def new_threadpool(self, n_threads: int) -> int:
        """A thread pool with llama-bench's defaults, or 0 where it cannot be made."""
        params = self._base.ggml_threadpool_params_default(n_threads)
        params.poll = _POLL_PERCENT
        create = self._cpu_function("ggml_threadpool_new", ctypes.c_void_p, _ThreadpoolParams)
        return int(create(ctypes.byref(params)) or 0)

    def free_threadpool(self, pool: int) -> None:
        """Ends the pool's threads; no context may still use it."""
        self._cpu_function("ggml_threadpool_free", None, None)(pool)

    def tensor_name(self, tensor: int) -> str:
        """The name of a tensor of the engine's."""
        return str(self._base.ggml_get_name(tensor).decode(errors="replace"))

    def buffer_name(self, buffer: int) -> str:
        """The name of a buffer of the engine's, "CPU_REPACK"."""
        return str(self._base.ggml_backend_buffer_name(buffer).decode(errors="replace"))

    def rpc_function(
        self, name: str, result: type | None, *arguments: type
    ) -> ctypes._CFunctionType | None:
        """A function of the RPC back end; None in an engine that was built without."""
        registry = self._ggml.ggml_backend_reg_by_name(b"RPC")
        if not registry:
            return None
        address = self._base.ggml_backend_reg_get_proc_address(registry, name.encode())
        return ctypes.CFUNCTYPE(result, *arguments)(address) if address else None

    def register(self, registry: int) -> None:
        """From here on its devices are among those of the engine."""
        self._ggml.ggml_backend_register(registry)

    def open(self, handle: int) -> int:
        """A device made ready to compute, for the rest of this process; 0 where it cannot be."""
        return int(self._base.ggml_backend_dev_init(handle, None) or 0)

    def _cpu_function(
        self, name: str, result: type | None, struct: type[ctypes.Structure] | None
    ) -> ctypes._CFunctionType:
        # The CPU back end may be a plug-in chosen at run time, so its functions are asked of its
        # registry, not looked up in a library.
        registry = self._base.ggml_backend_dev_backend_reg(self._cpu())
        address = self._base.ggml_backend_reg_get_proc_address(registry, name.encode())
        argument = ctypes.POINTER(struct) if struct else ctypes.c_void_p
        return ctypes.CFUNCTYPE(result, argument)(address)

    def _cpu(self) -> int:
        handles = self.handles().values()
        return next(h for h in handles if self._base.ggml_backend_dev_type(h) == 0)

    def _count(self) -> int:
        return int(self._ggml.ggml_backend_dev_count())

    def _name(self, handle: int) -> str:
        return str(self._base.ggml_backend_dev_name(handle).decode(errors="replace"))

    def _device(self, handle: int) -> Device:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._base.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
        return Device(
            name=self._name(handle),
            description=self._base.ggml_backend_dev_description(handle).decode(errors="replace"),
            kind=_DEVICE_KINDS.get(self._base.ggml_backend_dev_type(handle), "accel"),
            total_bytes=total.value,
            free_bytes=free.value,
        )


def _library(folder: Path, name: str) -> Path:
    found = (folder / f"{prefix}{name}.dll" for prefix in ("", "lib"))
    return next((path for path in found if path.exists()), folder / f"{name}.dll")
