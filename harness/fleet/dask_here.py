"""
Dask.distributed as a fleet has it: quiet, without its dashboard, and its own settings only.

What a user's Dask configuration says of time-outs, preloads or plug-ins is for other clusters.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

from harness.errors import HarnessError

# Their lines would stand among ours; what matters is said in one of our own.
_TALKATIVE = frozenset(("distributed", "tornado", "asyncio"))
_SILENT = logging.CRITICAL + 1

_SETTINGS: dict[str, Any] = {
    # Nothing that wakes up without being asked: a worker idles beside what is measured.
    "distributed.worker.profile.enabled": False,
    "distributed.worker.profile.cycle": "1h",
    "distributed.admin.tick.interval": "1h",
    "distributed.admin.tick.cycle": "1h",
    "distributed.admin.tick.limit": "24h",
    "distributed.admin.system-monitor.interval": "1h",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.host-cpu": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.log-length": 100,
    "distributed.admin.low-level-log-length": 100,
    "distributed.diagnostics.nvml": False,
    "distributed.diagnostics.computations.max-history": 1,
    "distributed.diagnostics.erred-tasks.max-history": 1,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.events-cleanup-delay": "1m",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.client.heartbeat": "10s",
    "distributed.client.scheduler-info-interval": "1h",
    # Nothing that runs code, or imports some, because a file or a message says so.
    "distributed.scheduler.preload": [],
    "distributed.worker.preload": [],
    "distributed.client.preload": [],
    "distributed.client.security-loader": None,
    "distributed.scheduler.allowed-imports": [],
    # A cell is sent again twice; see docs/method/fleet.md.
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.worker-ttl": "90s",
    "distributed.scheduler.idle-timeout": None,
    "distributed.scheduler.no-workers-timeout": None,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.lifetime.duration": None,
    "distributed.comm.require-encryption": True,
    "distributed.comm.compression": False,
    "distributed.comm.retry.count": 0,
    "distributed.comm.timeouts.connect": "30s",
    "distributed.comm.timeouts.tcp": "30s",
}


def prepare_dask() -> str:
    """
    The version of Dask.distributed that is here, set up as a fleet has it.

    To be called before anything of it is imported or made.

    Raises:
        HarnessError: The extra `fleet` is not installed.
    """
    for package in ("distributed", "cryptography"):
        if find_spec(package) is None:
            raise HarnessError(
                f"{package}, which measuring on other machines needs, is not installed here; "
                "install the extra: pip install 'inference-harness[fleet]'"
            )
    import dask.config

    dask.config.set(_SETTINGS)
    import distributed

    for name in [*logging.root.manager.loggerDict]:
        if name.split(".")[0] in _TALKATIVE:
            logging.getLogger(name).setLevel(_SILENT)
    return str(distributed.__version__)
