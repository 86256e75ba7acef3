"""
Calls into Windows: topology, power, registry, display adapters. Only the calls; the meaning of
the bytes is in machine/windows/text.py. On other systems nothing here may be called.
"""

from __future__ import annotations

import ctypes
import re
import sys

from harness.machine.windows import text as windows_text

_RELATION_ALL = 0xFFFF
_CLASS_KEY = re.compile(r"\d{4}")
# A driver may list more, but no machine shows more adapters than this.
_MAX_DISPLAY_DEVICES = 64


def read_topology() -> windows_text.Topology | None:
    """Cores and caches of this machine."""
    kernel32 = _library("kernel32")
    size = ctypes.c_uint32(0)
    # The first call fails on purpose (ERROR_INSUFFICIENT_BUFFER) and tells the size.
    kernel32.GetLogicalProcessorInformationEx(_RELATION_ALL, None, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(max(1, size.value))
    if not kernel32.GetLogicalProcessorInformationEx(_RELATION_ALL, buffer, ctypes.byref(size)):
        return None
    return windows_text.parse_topology(buffer.raw[: size.value])


def read_power_status() -> windows_text.PowerStatus | None:
    """Mains or battery, its charge, and whether the saver is on."""
    buffer = ctypes.create_string_buffer(12)
    if not _library("kernel32").GetSystemPowerStatus(buffer):
        return None
    return windows_text.parse_power_status(buffer.raw)


def read_overlay() -> str | None:
    """
    GUID of the power mode in effect (the slider of Settings).

    The function is undocumented and missing before Windows 10 1709.
    """
    buffer = ctypes.create_string_buffer(16)
    try:
        status = _library("powrprof").PowerGetEffectiveOverlayScheme(buffer)
    except AttributeError:
        return None
    return windows_text.parse_guid(buffer.raw) if status == 0 else None


def read_display_names() -> tuple[str, ...]:
    """Names of the adapters that are there now; the registry also keeps removed ones."""
    user32 = _library("user32")
    names = []
    for index in range(_MAX_DISPLAY_DEVICES):
        device = windows_text.new_display_device()
        buffer = (ctypes.c_char * len(device)).from_buffer(device)
        if not user32.EnumDisplayDevicesW(None, index, buffer, 0):
            break
        names.append(windows_text.parse_display_device_name(bytes(device)))
    return tuple(dict.fromkeys(names))


def keep_system_awake(is_wanted: bool) -> None:
    """Ask Windows not to sleep while this thread lives, or take that back."""
    continuous, system = 0x80000000, 0x00000001
    function = _library("kernel32").SetThreadExecutionState
    function.argtypes = (ctypes.c_uint32,)
    function.restype = ctypes.c_uint32
    function(continuous | system if is_wanted else continuous)


def read_registry(key: str) -> dict[str, object]:
    """Values of a key below HKEY_LOCAL_MACHINE; empty when it cannot be read."""
    values: dict[str, object] = {}
    if sys.platform == "win32":
        import winreg  # exists on Windows only

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as handle:
                for index in range(winreg.QueryInfoKey(handle)[1]):
                    name, value, _ = winreg.EnumValue(handle, index)
                    values[name] = value
        except OSError:
            return {}
    return values


def list_class_keys(key: str) -> tuple[str, ...]:
    """The subkeys named 0000, 0001, ... of a device class: one each for a driver's device."""
    names: list[str] = []
    if sys.platform == "win32":
        import winreg  # exists on Windows only

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as handle:
                n_keys = winreg.QueryInfoKey(handle)[0]
                names = [winreg.EnumKey(handle, index) for index in range(n_keys)]
        except OSError:
            return ()
    return tuple(f"{key}\\{name}" for name in names if _CLASS_KEY.fullmatch(name))


def _library(name: str) -> ctypes.CDLL:
    # 64-bit Windows has one calling convention only, so CDLL is right for its libraries.
    return ctypes.CDLL(name)
