"""
A server of llama.cpp's RPC, asked by a plain socket: who answers, what it offers, how far it is.

The engine's own client aborts the process where nobody answers or somebody else does, and waits for
ever where a server is stopped (ggml-rpc.cpp of the pinned engine), so it is asked here first. A
server serves one client at a time: it must be asked before the engine is, never beside it.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from statistics import median
from time import perf_counter_ns

from harness.errors import HarnessError
from harness.schema.machine import RpcDevice, RpcServer

PORT = 50052
"""Where llama.cpp's own program listens, too."""
VERSION = (7, 0)
"""Of the protocol that the pinned engine speaks: RPC_PROTO_MAJOR_VERSION and _MINOR_ of ggml-rpc.h.
A server of another major version, or of a newer minor one, is refused by the engine."""

_ADDRESS = re.compile(
    r"(?P<host>[a-z0-9][\w-]{0,62}(\.[\w-]{1,63})*)(:(?P<port>\d{1,5}))?", re.ASCII | re.IGNORECASE
)
_SILENCE_S = 5.0
"""Far more than any network takes for one question; a server that is stopped never answers."""
_PINGS = 11
_SENT_BYTES = 4 << 20  # at 100 Mbit/s a third of a second, at 10 Gbit/s three milliseconds

# enum rpc_cmd
_ALLOC_BUFFER, _GET_ALIGNMENT, _BUFFER_GET_BASE, _FREE_BUFFER, _SET_TENSOR = 0, 1, 3, 4, 6
_GET_DEVICE_MEMORY, _HELLO, _DEVICE_COUNT = 11, 14, 15
_CAPS_BYTES = 24  # RPC_CONN_CAPS_SIZE: none are told, so the connection stays plain TCP
# struct rpc_tensor: id, type, buffer, ne, nb, op, op_params, flags, src, view_src, view_offs, data,
# name, use_count
_TENSOR = struct.Struct("<QIQ4I4II64si80sQQQ64si")
_I8 = 24  # GGML_TYPE_I8


class RpcFailed(HarnessError):
    """No server of llama.cpp's RPC that this engine can use; `why` says it in a few words."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


def rpc_address(text: str) -> str:
    """
    The address in `text`, as the engine takes it: "host:port", with the usual port if none is said.

    Raises:
        ValueError: It is none.
    """
    found = _ADDRESS.fullmatch(text.strip())
    port = int(found["port"] or PORT) if found else 0
    if not found or not 0 < port < 65_536:
        raise ValueError(f"{text!r} is no RPC server; write 127.0.0.1:{PORT}")
    return f"{found['host']}:{port}"


def parted(address: str) -> tuple[str, int]:
    """Host and port of an address."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def greet(address: str) -> None:
    """
    Nothing, if a server answers there that the engine can use.

    Raises:
        RpcFailed: None does.
    """
    with _connected(address):
        pass


def probe(address: str, *, measures: bool = True) -> RpcServer:
    """
    The server at `address`, its devices with what is free on them, and how far it is.

    Args:
        address: As `rpc_address` gives it.
        measures: Whether some megabytes are sent, to see how fast they get there.

    Raises:
        RpcFailed: No such server answers there.
    """
    with _connected(address) as line:
        (n_devices,) = line.asked(_DEVICE_COUNT, b"", "<I")
        memories = [
            line.asked(_GET_DEVICE_MEMORY, struct.pack("<I", i), "<QQ") for i in range(n_devices)
        ]
        if not memories:
            raise _failed(address, "offers no device")
        return RpcServer(
            address=address,
            version=line.version,
            devices=tuple(
                RpcDevice(free_bytes=free, total_bytes=total) for free, total in memories
            ),
            ping_ns=line.ping_ns(),
            bytes_per_s=line.bytes_per_s() if measures else None,
        )


class _Line:
    """A connection to a server that has said hello."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.version = ""

    def tell(self, command: int, message: bytes) -> None:
        self._connection.sendall(struct.pack("<BQ", command, len(message)) + message)

    def asked(self, command: int, message: bytes, form: str) -> tuple[int, ...]:
        """The numbers of an answer; ValueError where it is another one."""
        self.tell(command, message)
        (n_bytes,) = struct.unpack("<Q", self._read(8))
        if n_bytes != struct.calcsize(form):
            raise ValueError(n_bytes)
        return struct.unpack(form, self._read(n_bytes))

    def _read(self, n_bytes: int) -> bytes:
        found = b""
        while len(found) < n_bytes:
            part = self._connection.recv(n_bytes - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def ping_ns(self) -> int:
        """What a question takes that needs no work."""
        taken = []
        for _ in range(_PINGS):
            started_ns = perf_counter_ns()
            self.asked(_GET_ALIGNMENT, struct.pack("<I", 0), "<Q")
            taken.append(perf_counter_ns() - started_ns)
        return round(median(taken))

    def bytes_per_s(self) -> int | None:
        """How fast data gets into a buffer there; None where it has no room for one."""
        request = struct.pack("<IQ", 0, _SENT_BYTES)
        buffer, n_bytes = self.asked(_ALLOC_BUFFER, request, "<QQ")
        if n_bytes < _SENT_BYTES:
            return None
        (base,) = self.asked(_BUFFER_GET_BASE, struct.pack("<Q", buffer), "<Q")
        n = _SENT_BYTES
        ne, nb = (n, 1, 1, 1), (1, n, n, n)
        tensor = _TENSOR.pack(0, _I8, buffer, *ne, *nb, 0, b"", 0, b"", 0, 0, base, b"probe", 0)
        message = tensor + struct.pack("<BQ", 0, 0) + bytes(n)
        taken = []
        for _ in range(2):  # the first one waits for memory that nobody has touched yet
            started_ns = perf_counter_ns()
            self.tell(_SET_TENSOR, message)
            self.asked(_GET_ALIGNMENT, struct.pack("<I", 0), "<Q")  # answered when all has come
            taken.append(perf_counter_ns() - started_ns)
        self.tell(_FREE_BUFFER, struct.pack("<Q", buffer))
        return round(n * 1e9 / min(taken))


@contextmanager
def _connected(address: str) -> Iterator[_Line]:
    """
    A line to the server, which it has been greeted on.

    Raises:
        RpcFailed: It cannot be, or what is asked within the block is not answered.
    """
    try:
        # The engine knows no IPv6.
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise _failed(address, f"cannot be asked ({error.strerror})") from None
    with connection:
        try:
            connection.settimeout(_SILENCE_S)
            connection.connect(parted(address))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = _Line(connection)
            line.version = _greeted(line, address)
            yield line
        except TimeoutError:
            why = f"does not answer within {_SILENCE_S:.0f} s"
            raise _failed(address, why, "it is stopped, or busy with another client") from None
        except ConnectionRefusedError:
            raise _failed(address, "is not there (connection refused)", _START) from None
        except (EOFError, ConnectionResetError, BrokenPipeError):
            raise _failed(address, "ended the connection without an answer", _OTHER) from None
        except ValueError:
            raise _failed(address, "answers in another protocol", _OTHER) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise _failed(address, f"cannot be reached ({reason})", _START) from None
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


_START = "start one there with `harness rpc serve`, and a tunnel to it"
_OTHER = "name the port of `harness rpc serve`, of the same harness as here"


def _greeted(line: _Line, address: str) -> str:
    """The server's version."""
    major, minor, patch = line.asked(_HELLO, bytes(_CAPS_BYTES), f"<BBBx{_CAPS_BYTES}x")
    told = f"{major}.{minor}.{patch}"
    if major != VERSION[0] or minor > VERSION[1]:
        ours = ".".join(map(str, VERSION))
        why = f"speaks version {told} of the protocol, and this engine {ours}"
        raise _failed(address, why, "install the same harness at both ends")
    return told


def _failed(address: str, why: str, what_to_do: str = "") -> RpcFailed:
    advice = f"; {what_to_do}" if what_to_do else ""
    return RpcFailed(f"the RPC server {address} {why}{advice}", why)
