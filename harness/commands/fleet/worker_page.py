"""A worker that has joined a cluster, as a page and as a document."""

from __future__ import annotations

from dataclasses import dataclass

from harness.commands.fleet.page import idle_cost
from harness.fleet.order import Hello, WorkerOrder
from harness.report.page import Facts, Note, Page


@dataclass(frozen=True, slots=True)
class WorkerDocument:
    """
    A worker, as soon as it has joined.

    Attributes:
        scheduler: What it has joined.
        name: What it is called there.
        worker: What it says of itself, with what it costs when idle.
    """

    scheduler: str
    name: str
    worker: Hello


def document(order: WorkerOrder, hello: Hello) -> WorkerDocument:
    """The answer for programs."""
    return WorkerDocument(order.scheduler, order.name, hello)


def page(order: WorkerOrder, hello: Hello) -> Page:
    """The answer for people."""
    return (
        Facts(
            (
                ("Joined", order.scheduler),
                ("Name", order.name),
                ("Machine", hello.machine_title),
                ("Idle", f"{idle_cost(hello)}: share of a core, and memory"),
            )
        ),
        Note(("Ctrl-C ends it.",)),
    )
