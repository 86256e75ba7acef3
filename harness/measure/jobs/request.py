"""Asking a served model: the job of a Run whose engine is in another process, or elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from harness.measure.jobs.measure import TrialsJob
from harness.schema.served import Served

# To connect, and to read what came.
_BESIDE_REQUESTS_NS = 60_000_000_000


class RequestJob(TrialsJob):
    """
    Send requests to a served model, all over connections of their own.

    `key_variable` names what holds the key in the environment, so that it is written nowhere. A
    request that yields nothing for `silence_ns` has failed. `ready_ns` is how long a server that
    was started for it took from its start until it had loaded; None: it has been there before.
    """

    job: Literal["request"] = "request"
    served: Served
    key_variable: str | None = None
    silence_ns: int
    ready_ns: PositiveInt | None = None

    @property
    def n_threads(self) -> int:
        """A client does not compute."""
        return 1


def patience_ns(job: TrialsJob, silence_ns: int) -> int:
    """
    How long the worker of `job` may say nothing, where an engine may for `silence_ns`.

    A client knows itself when a server says nothing; a trial of a load may last as long as there is
    time, and its last request so long beyond that.
    """
    if not isinstance(job, RequestJob):
        return silence_ns
    return silence_ns + max(0, job.deadline_ns - job.started_ns) + _BESIDE_REQUESTS_NS
