"""Which servers answer: at the usual ports of this machine, or at the addresses named."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.endpoint.address import Address
from harness.endpoint.find import answering
from harness.endpoint.identify import identify
from harness.endpoint.offers import Identified

# Of a server that is named: it may be far away, and asked several things one after the other.
_NAMED_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class EndpointsRequest:
    """Where to look; without addresses at the usual ports. The key goes to the named ones alone."""

    addresses: tuple[Address, ...]
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class EndpointsResult:
    """Those that answer, in the order in which they were asked."""

    servers: tuple[Identified, ...]


def look(request: EndpointsRequest) -> EndpointsResult:
    """
    The servers that answer.

    Raises:
        HarnessError: One that is named does not, or is no model server.
    """
    if not request.addresses:
        return EndpointsResult(answering())
    named = (identify(each, request.key, _NAMED_TIMEOUT_S) for each in request.addresses)
    return EndpointsResult(tuple(named))
