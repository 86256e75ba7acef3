"""The JSON document of `harness endpoints`."""

from __future__ import annotations

from dataclasses import dataclass

from harness.commands.endpoints.endpoints import EndpointsResult
from harness.endpoint.call import Api
from harness.endpoint.offers import OfferedModel, Server


@dataclass(frozen=True, slots=True)
class ServerDocument:
    """
    A server that answers.

    Attributes:
        url: Its address, without "/v1".
        version: As it tells it.
        api: What it is measured by: OpenAI's chat completions, or Ollama's own chat.
        models: What it serves; of some servers all that they could load.
    """

    url: str
    server: Server
    version: str | None
    api: Api
    models: tuple[OfferedModel, ...]


@dataclass(frozen=True, slots=True)
class EndpointsDocument:
    """
    Model servers.

    Attributes:
        servers: Those that answer.
    """

    servers: tuple[ServerDocument, ...]


def document(result: EndpointsResult) -> EndpointsDocument:
    """All that they say of themselves."""
    return EndpointsDocument(
        tuple(
            ServerDocument(each.address.url, each.server, each.version, each.api, each.models)
            for each in result.servers
        )
    )
