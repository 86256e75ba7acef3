"""
How much memory a device says that it has, and gives away: what its library knows of neither.

ggml says of a CPU that all memory is free, and the system promises more than it has, so that a
machine swaps, or its largest process is killed, where a client asks for too much. So functions of
our own stand in the device's table and in that of its buffers, before the library's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_SIZE_P = ctypes.POINTER(ctypes.c_size_t)
_GET_MEMORY = ctypes.CFUNCTYPE(None, _POINTER, _SIZE_P, _SIZE_P)
_ALLOCATE = ctypes.CFUNCTYPE(_POINTER, _POINTER, _SIZE)
_FREE = ctypes.CFUNCTYPE(None, _POINTER)

# Places of functions in the tables at the heads of these structs, ggml-backend-impl.h.
_OF_DEVICE = 2  # get_memory of ggml_backend_device_i
_OF_BUFFER_TYPE = 1  # alloc_buffer of ggml_backend_buffer_type_i
_OF_BUFFER = 0  # free_buffer of ggml_backend_buffer_i


@dataclass(frozen=True)
class SystemMemory:
    """What programs may take of it all together, and what is free of that now."""

    n_bytes: int
    free_bytes: Callable[[], int]


class DeviceLimit:
    """
    Lets a device have no more than it should, from here on; to be kept as long as the device is.

    Args:
        device: Its handle.
        buffer_type: That of what clients store there.
        memory_bytes: The most it has; None: what the library says.
        system: What it is part of, where that is the system's memory.
    """

    def __init__(
        self,
        device: int,
        buffer_type: int,
        *,
        memory_bytes: int | None,
        system: SystemMemory | None,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._system = system
        self._device = device
        self._given: dict[int, int] = {}  # buffer to its size
        self._room_bytes = 0
        self._tell = _GET_MEMORY(self._told)
        self._allocate = _ALLOCATE(self._allocated)
        self._free = _FREE(self._freed)
        self._get_memory = _GET_MEMORY(_replaced(device, _OF_DEVICE, self._tell))
        self._allocate_buffer = _ALLOCATE(_replaced(buffer_type, _OF_BUFFER_TYPE, self._allocate))
        self._free_buffer = _FREE(0)  # of all buffers of one type the same

    def _memory(self) -> tuple[int, int]:
        """What is free and what there is, bytes."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._get_memory(self._device, ctypes.byref(free), ctypes.byref(total))
        left, most = free.value, total.value
        if self._system is not None:
            left, most = self._system.free_bytes(), self._system.n_bytes
        if self._memory_bytes is not None:
            most = min(most, self._memory_bytes)
            left = min(left, max(0, most - sum(self._given.values())))
        return min(left, most), most

    def _told(
        self,
        _device: int,
        free: ctypes._Pointer[ctypes.c_size_t],
        total: ctypes._Pointer[ctypes.c_size_t],
    ) -> None:
        free[0], total[0] = self._memory()

    def _allocated(self, buffer_type: int, n_bytes: int) -> int:
        if not self._given:
            # What is given away is used up only when it is written to, so what is free then does
            # not tell what may still be given.
            self._room_bytes = self._memory()[0]
        if n_bytes > self._room_bytes - sum(self._given.values()):
            return 0
        buffer = int(self._allocate_buffer(buffer_type, n_bytes) or 0)
        if buffer:
            self._free_buffer = _FREE(_replaced(buffer, _OF_BUFFER, self._free))
            self._given[buffer] = n_bytes
        return buffer

    def _freed(self, buffer: int) -> None:
        self._given.pop(buffer, None)
        self._free_buffer(buffer)


def _replaced(struct: int, place: int, function: ctypes._FuncPointer) -> int:
    """The address that stood at `place` of the table at the head of `struct`, now `function`."""
    table = (ctypes.c_void_p * (place + 1)).from_address(struct)
    before = table[place] or 0
    table[place] = ctypes.cast(function, ctypes.c_void_p).value
    return before
