"""
A process that offers this machine's devices to others; the library's function never returns, and
hears no signal, so it has a process of its own, supervised (measure/rpc_serving.py).
"""

from __future__ import annotations

import os
import sys

from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.engine.rpc_limit import SystemMemory
from harness.machine.memory import available_memory_bytes
from harness.machine.rpc_offer import RpcOffer


def main() -> int:
    """Serves what its only argument says, until it is killed; the exit code where it cannot."""
    offer = RpcOffer.model_validate_json(sys.argv[1])
    engine = Engine(on_line=lambda text: _log(text))
    try:
        engine.rpc.serve(
            offer.address,
            offer.n_threads,
            memory_bytes=offer.memory_bytes,
            system=SystemMemory(offer.system_bytes, available_memory_bytes),
        )
    except EngineFailed as failure:
        _log(f"Error: {failure}\n")
    return 1


def _log(text: str) -> None:
    os.write(2, text.encode(errors="replace"))


if __name__ == "__main__":
    sys.exit(main())
