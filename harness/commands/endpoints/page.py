"""Servers and what they serve as a table, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from harness.commands.endpoints.endpoints import EndpointsResult
from harness.endpoint.offers import Identified
from harness.report.page import Cell, Column, Note, Page, Table

_COLUMNS = (
    Column("endpoint"),
    Column(None, "url"),
    Column(None, "server"),
    Column(None, "version"),
    Column("model", "model"),
    Column("quantization", "quantization"),
    Column("size", "n_bytes", "right", unit="file bytes"),
    Column("context", "n_ctx", "right"),
    Column("slots", "n_slots", "right"),
    Column("loaded"),
)
_NONE = (
    "No model server answers here: start one (llama-server -m FILE, ollama serve), then "
    "harness run --endpoint URL"
)


def page(result: EndpointsResult) -> Page:
    """A row for each model that is served."""
    if not result.servers:
        return (Note((_NONE,), is_whole=True),)
    rows = tuple(row for server in result.servers for row in _rows(server))
    idle = [server.address.url for server in result.servers if not server.models]
    legend = tuple(f"{url} serves no model now." for url in idle)
    return (Table(_COLUMNS, rows, legend=legend, is_grouped=True),)


def hint(result: EndpointsResult) -> Page:
    """How to measure what was found; nothing where nothing is."""
    served = [server for server in result.servers if server.models]
    if not served:
        return ()
    return (Note((f"Measure one: harness run --endpoint {served[0].address.url}",), is_whole=True),)


def _rows(server: Identified) -> Iterator[tuple[Cell, ...]]:
    url = server.address.url
    named = " ".join(part for part in (server.server, server.version) if part)
    about: tuple[Cell, ...] = (f"{url} · {named}", url, server.server, server.version)
    if not server.models:
        yield (*about, None, None, None, None, None, None)
    for model in server.models:
        loaded = {True: "yes", False: "no", None: None}[model.is_loaded]
        size, context = model.n_bytes, model.n_ctx
        yield (*about, model.name, model.quantization, size, context, model.n_slots, loaded)
