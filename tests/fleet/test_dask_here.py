from __future__ import annotations

import subprocess
import sys

SAY_ALL = """
import logging
from harness.fleet.dask_here import prepare_dask
prepare_dask()
for name in ("distributed.client", "distributed.gc", "distributed.core", "tornado.application"):
    logging.getLogger(name).error("a line of %s", name)
"""


def test_no_logger_of_dask_writes_among_our_lines() -> None:
    # In a process of its own: the first one to import Dask decides for all.
    done = subprocess.run([sys.executable, "-c", SAY_ALL], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
