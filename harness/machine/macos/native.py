"""
What macOS tells through C functions only: Metal's limit, thermal pressure, footprint, swap.

Nothing here needs root or a package. On other systems every function returns None.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

# bsd/sys/resource.h: flavour 4 is the first with the lifetime peak of the footprint.
_RUSAGE_INFO_V4 = 4
_RUSAGE_V4_BYTES = 296
_HOST_VM_INFO64 = 4
_VM_STATISTICS64_BYTES = 152
_PRIO_DARWIN_PROCESS = 4
_THERMAL_KEY = b"com.apple.system.thermalpressurelevel"
# OSThermalNotification.h, the macOS branch; iOS counts 0, 10, 20.
_THERMAL_LEVELS = ("nominal", "moderate", "heavy", "trapping", "sleeping")


@dataclass(frozen=True)
class ProcessUsage:
    """Part of rusage_info_v4; clean mapped weights are in `resident_bytes` only."""

    resident_bytes: int
    footprint_bytes: int
    peak_footprint_bytes: int
    disk_read_bytes: int


@dataclass(frozen=True)
class SwapPages:
    """Pages swapped in and out since boot, by the whole machine."""

    n_in: int
    n_out: int


def parse_process_usage(data: bytes) -> ProcessUsage:
    """Fields of a `struct rusage_info_v4` (296 bytes, offsets of bsd/sys/resource.h)."""
    resident, footprint = struct.unpack_from("=2Q", data, 64)
    (disk_read,) = struct.unpack_from("=Q", data, 144)
    (peak,) = struct.unpack_from("=Q", data, 240)
    return ProcessUsage(resident, footprint, peak, disk_read)


def parse_swap_pages(data: bytes) -> SwapPages:
    """
    Fields of a `struct vm_statistics64` (osfmk/mach/vm_statistics.h).

    Not psutil's swap figures: on macOS those are all page-ins and page-outs.
    """
    return SwapPages(*struct.unpack_from("=2Q", data, 112))


def thermal_name(state: int) -> str:
    """The level's name; a number that is not known is kept as it is."""
    return _THERMAL_LEVELS[state] if state < len(_THERMAL_LEVELS) else f"level {state}"


def read_process_usage() -> ProcessUsage | None:
    """The memory and disk figures of this process."""
    library = _system_library()
    if library is None:
        return None
    buffer = ctypes.create_string_buffer(512)
    library.proc_pid_rusage.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
    if library.proc_pid_rusage(os.getpid(), _RUSAGE_INFO_V4, buffer) != 0:
        return None
    return parse_process_usage(buffer.raw[:_RUSAGE_V4_BYTES])


def read_swap_bytes() -> SwapPages | None:
    """Like `SwapPages`, in bytes."""
    library = _system_library()
    if library is None:
        return None
    library.mach_host_self.restype = ctypes.c_uint32
    library.host_statistics64.argtypes = (
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_uint32),
    )
    buffer = ctypes.create_string_buffer(512)
    # The count is in 32-bit words, and only a count the kernel knows is answered.
    n_words = ctypes.c_uint32(_VM_STATISTICS64_BYTES // 4)
    port = _host_port()
    if library.host_statistics64(port, _HOST_VM_INFO64, buffer, ctypes.byref(n_words)) != 0:
        return None
    pages = parse_swap_pages(buffer.raw)
    # The kernel's page, 16 KiB on Apple Silicon also for a translated process that sees 4 KiB.
    page_bytes = ctypes.c_size_t.in_dll(library, "vm_kernel_page_size").value
    return SwapPages(pages.n_in * page_bytes, pages.n_out * page_bytes)


def read_thermal_pressure() -> str | None:
    """
    "nominal", "moderate", "heavy", "trapping" or "sleeping".

    A key that does not exist also reads as 0, so "nominal" is the weaker statement.
    """
    library = _system_library()
    if library is None:
        return None
    token, state = ctypes.c_int(), ctypes.c_uint64()
    library.notify_register_check.argtypes = (ctypes.c_char_p, ctypes.POINTER(ctypes.c_int))
    library.notify_register_check.restype = ctypes.c_uint32
    library.notify_get_state.argtypes = (ctypes.c_int, ctypes.POINTER(ctypes.c_uint64))
    library.notify_get_state.restype = ctypes.c_uint32
    library.notify_cancel.argtypes = (ctypes.c_int,)
    if library.notify_register_check(_THERMAL_KEY, ctypes.byref(token)) != 0:
        return None
    is_read = library.notify_get_state(token, ctypes.byref(state)) == 0
    library.notify_cancel(token)
    return thermal_name(state.value) if is_read else None


def is_background() -> bool | None:
    """Whether this process is held to the efficiency cores (launchd background, taskpolicy -b)."""
    library = _system_library()
    if library is None:
        return None
    return bool(library.getpriority(_PRIO_DARWIN_PROCESS, 0))


def read_gpu_limit_bytes() -> int | None:
    """
    Metal's recommendedMaxWorkingSetSize; None without a Metal device (virtual machines).

    Asked, never computed: the share of memory changed with macOS 26 and follows
    iogpu.wired_limit_mb.
    """
    if _system_library() is None:
        return None
    try:
        metal = ctypes.CDLL("/System/Library/Frameworks/Metal.framework/Metal")
        objc = ctypes.CDLL("/usr/lib/libobjc.dylib")
    except OSError:
        return None
    metal.MTLCreateSystemDefaultDevice.restype = ctypes.c_void_p
    device = metal.MTLCreateSystemDefaultDevice()
    if not device:
        return None
    objc.sel_registerName.argtypes = (ctypes.c_char_p,)
    objc.sel_registerName.restype = ctypes.c_void_p
    # On arm64 a variadic call passes arguments elsewhere: the prototype must match exactly.
    ask_u64 = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)
    send: Callable[[int, int], int] = ask_u64(("objc_msgSend", objc))
    limit = send(device, objc.sel_registerName(b"recommendedMaxWorkingSetSize"))
    release = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(("objc_msgSend", objc))
    release(device, objc.sel_registerName(b"release"))
    return int(limit) or None


@functools.cache
def _system_library() -> ctypes.CDLL | None:
    return ctypes.CDLL("/usr/lib/libSystem.B.dylib") if sys.platform == "darwin" else None


@functools.cache
def _host_port() -> int:
    # Each call of mach_host_self adds a reference to the port; one is enough for a process.
    library = _system_library()
    return int(library.mach_host_self()) if library is not None else 0
