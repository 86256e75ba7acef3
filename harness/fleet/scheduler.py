"""The scheduler of a fleet: Dask's, without what runs code and what it shows on web pages."""

from __future__ import annotations

from typing import Any

from distributed import Scheduler

_CALLS = frozenset(
    (
        *("register-client", "register-worker", "unregister", "heartbeat_worker", "identity"),
        *("gather", "who_has", "has_what", "ncores", "versions", "add_keys", "retire_workers"),
    )
)
"""What a fleet asks of it; all else, what runs functions and takes plug-ins among it, is gone."""

_STREAM = frozenset(
    (
        *("task-finished", "task-erred", "release-worker-data", "add-keys", "long-running"),
        *("reschedule", "keep-alive", "worker-status-change", "request-refresh-who-has"),
        *("update-graph", "client-desires-keys", "report-key", "client-releases-keys"),
        *(
            "heartbeat-client",
            "close-client",
            "cancel-keys",
            "log-event",
            "subscribe-topic",
            "unsubscribe-topic",
        ),
    )
)


class FleetScheduler(Scheduler):  # type: ignore[misc]  # Dask has types of its own kind
    """
    Dask's scheduler with TLS alone and what a fleet asks.

    Args:
        host: Where it listens.
        port: 0 is any that is free.
        security: Its certificate.
    """

    def __init__(self, *, host: str, port: int, security: Any) -> None:
        super().__init__(
            host=host,
            port=port,
            protocol="tls",
            security=security,
            dashboard=False,
            extensions={},
        )
        keep_only(self, _CALLS, _STREAM)

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """None: it would listen without a certificate."""


def keep_only(server: Any, calls: frozenset[str], stream: frozenset[str]) -> None:
    """A server of Dask's answers these calls, and takes these messages in a stream, alone."""
    server.handlers = {
        name: it for name, it in server.handlers.items() if name in calls | {"connection_stream"}
    }
    server.stream_handlers = {
        name: it for name, it in server.stream_handlers.items() if name in stream
    }
