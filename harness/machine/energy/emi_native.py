"""
Calls into Windows for its energy meters: find them, open them, ask them. Only the calls; the
meaning of the bytes is in machine/energy/emi.py. On other systems nothing here may be called.
"""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Callable

_DEVICE_ENERGY_METER = uuid.UUID("45bd8344-7ed6-49cf-a440-c276c933b053")  # emi.h
_PRESENT_ONLY = 0
_GENERIC_READ = 0x80000000
_SHARE_READ_AND_WRITE = 0x3
_OPEN_EXISTING = 3
_INVALID_HANDLE = ctypes.c_void_p(-1).value


def open_devices() -> tuple[Callable[[int, int], bytes], ...]:
    """A function to ask each meter that can be opened; they stay open as long as the process."""
    handles = [_open(path) for path in device_paths()]
    return tuple(_asker(handle) for handle in handles if handle is not None)


def device_paths() -> tuple[str, ...]:
    """The paths of the meters that are present."""
    manager = _library("cfgmgr32")
    guid = ctypes.create_string_buffer(_DEVICE_ENERGY_METER.bytes_le, 16)
    n_characters = ctypes.c_uint32(0)
    if manager.CM_Get_Device_Interface_List_SizeW(
        ctypes.byref(n_characters), guid, None, _PRESENT_ONLY
    ):
        return ()
    buffer = ctypes.create_string_buffer(2 * max(1, n_characters.value))
    if manager.CM_Get_Device_Interface_ListW(guid, None, buffer, n_characters, _PRESENT_ONLY):
        return ()
    return parse_paths(buffer.raw)


def parse_paths(raw: bytes) -> tuple[str, ...]:
    """The texts of a list in UTF-16 that ends each with one NUL, and itself with another."""
    return tuple(path for path in raw.decode("utf-16-le", errors="replace").split("\0") if path)


def _open(path: str) -> int | None:
    create = _library("kernel32").CreateFileW
    create.restype = ctypes.c_void_p
    create.argtypes = (
        *(ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p),
        *(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p),
    )
    handle: int | None = create(
        path, _GENERIC_READ, _SHARE_READ_AND_WRITE, None, _OPEN_EXISTING, 0, None
    )
    return None if handle == _INVALID_HANDLE else handle


def _asker(handle: int) -> Callable[[int, int], bytes]:
    control = _library("kernel32").DeviceIoControl
    control.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32),
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p),
    )

    def ask(code: int, n_bytes: int) -> bytes:
        buffer = ctypes.create_string_buffer(max(1, n_bytes))
        n_returned = ctypes.c_uint32(0)
        is_answered = control(
            handle, code, None, 0, buffer, n_bytes, ctypes.byref(n_returned), None
        )
        if not is_answered:
            raise OSError(f"the energy meter does not answer to {code:#x}")
        return buffer.raw[: n_returned.value]

    return ask


def _library(name: str) -> ctypes.CDLL:
    # 64-bit Windows has one calling convention only, so CDLL is right for its libraries.
    return ctypes.CDLL(name)
