"""
A load that never ends: `memory_load.py compute|read|copy` keeps a core busy in its caches, reads
memory, or copies it, until it is killed or its parent ends.
"""

from __future__ import annotations

import os
import sys

import numpy as np

KINDS = ("compute", "read", "copy")

# 128 MiB: more than the caches of a consumer's machine keep beside what else runs.
_N_FLOATS = 32 << 20


def _be_the_load(kind: str) -> None:
    parent = os.getppid()
    source, target = np.ones(_N_FLOATS, np.float32), np.ones(_N_FLOATS, np.float32)
    while os.getppid() == parent:  # nobody is left to end it otherwise
        if kind == "compute":
            sum(range(1_000_000))
        elif kind == "read":
            np.dot(source, source)
        else:
            target[:] = source


if __name__ == "__main__":
    _be_the_load(sys.argv[1])
