"""Which model servers run on this machine, at the ports that they usually have."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from harness.endpoint.address import Address
from harness.endpoint.identify import identify
from harness.endpoint.offers import Identified
from harness.errors import HarnessError, UsageError

PORTS = (
    8080,  # llama-server, mlx-lm, llamafile
    8081,  # a second one of those
    11434,  # Ollama
    1234,  # LM Studio
    8000,  # vLLM, llama-cpp-python, older Lemonade
    8001,  # a second one of those
    13305,  # Lemonade
    5001,  # KoboldCpp
    1337,  # Jan
    30000,  # SGLang
)
_OLLAMA_PORT = 11434
_HOST = "127.0.0.1"


def answering(timeout_s: float = 0.3) -> tuple[Identified, ...]:
    """
    Every model server that answers on loopback, asked all at once.

    Args:
        timeout_s: For all that one port is asked.
    """
    addresses = usual_addresses()
    with ThreadPoolExecutor(len(addresses)) as threads:
        found = threads.map(lambda address: _identified(address, timeout_s), addresses)
        return tuple(each for each in found if each is not None)


def usual_addresses() -> tuple[Address, ...]:
    """Where servers are looked for: the usual ports, and Ollama's where OLLAMA_HOST moves it."""
    usual = (Address("http", _HOST, port) for port in PORTS)
    moved = _ollama_address(os.environ.get("OLLAMA_HOST", ""))
    return tuple(dict.fromkeys((*usual, *([moved] if moved else []))))


def _ollama_address(text: str) -> Address | None:
    """Where Ollama was told to listen, in its own notation; None where that is not this machine."""
    text = text.strip().strip("'\"")
    if not text:
        return None
    scheme, mark, rest = text.rpartition("://")
    host = rest.partition("/")[0]
    if host.startswith(":"):
        host = f"{_HOST}{host}"
    try:
        address = Address.parse(f"{scheme if mark else 'http'}://{host}")
    except UsageError:
        return None
    if not address.is_loopback:
        return None
    has_port = host.rpartition(":")[2].isdecimal() and not host.endswith("]")
    port = address.port if has_port or mark else _OLLAMA_PORT
    # What it listens to is not always what one connects to.
    name = _HOST if address.host in ("0.0.0.0", "::", "localhost") else address.host
    return Address(address.scheme, name, port)


def _identified(address: Address, timeout_s: float) -> Identified | None:
    try:
        return identify(address, None, timeout_s)
    except HarnessError:
        return None
