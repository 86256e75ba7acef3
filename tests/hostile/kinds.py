"""All that is tried against the program."""

from __future__ import annotations

from hostile import catalogues, headers, hub, kills, records, terminal
from hostile.attempt import Kind

KINDS = (
    Kind("catalogues", catalogues.attempts),
    Kind("headers", headers.attempts),
    Kind("hub", hub.attempts),
    Kind("kills", kills.attempts),
    Kind("records", records.attempts),
    Kind("terminal", terminal.attempts),
)
