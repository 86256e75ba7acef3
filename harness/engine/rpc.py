"""
llama.cpp's RPC, both ends of it: devices of other machines in this engine, and this machine's
devices offered to theirs. All that is sent is the library's own doing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from harness.engine.failure import EngineFailed
from harness.engine.ggml import Ggml
from harness.engine.rpc_limit import DeviceLimit, SystemMemory
from harness.machine.rpc_offer import offered

_WITHOUT = (
    "this engine was built without RPC; `make setup` builds one that has it, pip with "
    "CMAKE_ARGS=-DGGML_RPC=on"
)


class Rpc:
    """The RPC back end of an engine."""

    def __init__(self, ggml: Ggml) -> None:
        self._ggml = ggml
        self._names: dict[str, str] = {}
        self._limits: list[DeviceLimit] = []  # the library holds only bare pointers

    def add_servers(self, addresses: Sequence[str]) -> None:
        """
        The devices of these servers among the engine's, "RPC0" and so on, in their order.

        Before a model is loaded. The library aborts where no server answers, and waits for ever for
        one that is stopped.

        Raises:
            EngineFailed: The engine was built without, or a server has no device.
        """
        if not addresses:
            return
        text = ctypes.c_char_p
        add = self._ggml.rpc_function("ggml_backend_rpc_add_server", ctypes.c_void_p, text)
        if add is None:
            raise EngineFailed("settings-invalid", _WITHOUT)
        for address in addresses:
            before = set(self._ggml.handles())
            registry = add(address.encode())
            if not registry:
                raise EngineFailed("settings-invalid", f"the RPC server {address} has no device")
            self._ggml.register(registry)
            added = [name for name in self._ggml.handles() if name not in before]
            # Else the library hangs up after each question until a model lies there, and in between
            # the server turns to whoever waits.
            self._ggml.open(self._ggml.handles()[added[0]])
            # A buffer is called by the number that its device has at its own server: those of the
            # first devices of two servers are both "RPC0[...]".
            self._names |= {f"RPC{i}[{address}]": name for i, name in enumerate(added)}

    def named(self, text: str) -> str:
        """`text` with every buffer of a server under the name of the engine's device."""
        for buffer, device in self._names.items():
            text = text.replace(buffer, device)
        return text

    def serve(
        self,
        address: str,
        n_threads: int,
        *,
        memory_bytes: int | None,
        system: SystemMemory,
    ) -> None:
        """
        Serves this engine's devices, of which `offered` says which; returns only where it cannot.

        Args:
            address: Where it listens, an IPv4 address and a port.
            n_threads: With which the CPU computes.
            memory_bytes: What each device has at most.
            system: That of the CPU: ggml says that all there is is free.

        Raises:
            EngineFailed: The engine was built without.
        """
        pointers = ctypes.POINTER(ctypes.c_void_p)
        size, text = ctypes.c_size_t, ctypes.c_char_p
        start = self._ggml.rpc_function(
            "ggml_backend_rpc_start_server", None, text, text, size, size, pointers
        )
        if start is None:
            raise EngineFailed("settings-invalid", _WITHOUT)
        handles = self._ggml.handles()
        offer = offered(self._ggml.devices())
        for device in offer:
            handle = handles[device.name]
            limit = DeviceLimit(
                handle,
                self._ggml.buffer_type(handle),
                memory_bytes=memory_bytes,
                system=system if device.kind == "cpu" else None,
            )
            self._limits.append(limit)
        array = (ctypes.c_void_p * len(offer))(*(handles[device.name] for device in offer))
        start(address.encode(), None, n_threads, len(offer), array)
