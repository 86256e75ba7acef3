"""Short questions to a server: what it answers to a GET or a POST, bounded in time and size."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from harness.bounded import parsed_json
from harness.endpoint.address import Address
from harness.endpoint.connection import Connection
from harness.endpoint.failure import RequestFailed, ended, fail, redirected
from harness.endpoint.values import mapping


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `server` is how it calls itself."""

    status: int
    server: str
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether the status says that it is what was asked for."""
        return 200 <= self.status < 300

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON object in it; an empty one where there is none."""
        try:
            return mapping(parsed_json(self.body))
        except ValueError:
            return {}


@dataclass(slots=True)
class Asker:
    """
    Who asks one server several things, all of which must be answered by `deadline_ns`.

    A key goes to no other server, and stands in no message. Of an answer `most_bytes` are read.
    """

    address: Address
    key: str | None = field(repr=False)
    deadline_ns: int
    most_bytes: int = 1_000_000

    def get(self, path: str) -> Reply:
        """
        What it answers to a GET below its prefix, whatever the status.

        Raises:
            RequestFailed: It does not answer, or redirects.
        """
        return self._ask("GET", path, None)

    def post(self, path: str, document: Mapping[str, Any]) -> Reply:
        """The same of a POST of a document."""
        return self.send(path, json.dumps(document).encode())

    def send(self, path: str, body: bytes) -> Reply:
        """The same of one that is written."""
        return self._ask("POST", path, body)

    def document(self, path: str) -> Mapping[str, Any]:
        """The object that it answers with; an empty one where it answers with anything else."""
        return _document(lambda: self.get(path))

    def posted(self, path: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same of a POST."""
        return _document(lambda: self.post(path, document))

    def _ask(self, method: str, path: str, body: bytes | None) -> Reply:
        left_s = (self.deadline_ns - perf_counter_ns()) / 1e9
        if left_s <= 0:
            fail("late", f"{self.address.url} was not done in time")
        connection = Connection(self.address, key=self.key, timeout_s=left_s)
        status = None
        try:
            connection.send(method, path, body)
            response = connection.response(method, left_s, self.deadline_ns)
            status = response.status
            if 300 <= status < 400:
                location = response.headers.get("Location", "")
                raise RequestFailed(redirected(self.address, status, location, self.key or ""))
            content = response.read(self.most_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            failure = ended(
                self.address, error, status, silence_s=left_s, deadline_ns=self.deadline_ns
            )
            raise RequestFailed(failure) from None
        finally:
            connection.close()
        return Reply(status, response.headers.get("Server", ""), content)


def _document(answer: Callable[[], Reply]) -> Mapping[str, Any]:
    try:
        reply = answer()
    except RequestFailed:
        return {}
    return reply.document if reply.is_good else {}
