"""Moments of a record: ISO 8601 texts that every system can show in every zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

# Two days from either end of what systems can show, so that no zone leads beyond it. Windows knows
# no local time before 1970, and `datetime` none after 9999.
_EARLIEST = datetime(1970, 1, 3, tzinfo=UTC)
_LATEST = datetime(9999, 12, 29, tzinfo=UTC)


def utc_time(text: str) -> datetime:
    """
    An ISO 8601 time of a record in UTC; one without a zone is taken for UTC.

    Raises:
        ValueError: It is no such time, or none between 1970 and 9999.
    """
    time = datetime.fromisoformat(text)
    try:
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise ValueError(_out_of_range(text)) from None
    if not _EARLIEST <= time <= _LATEST:
        raise ValueError(_out_of_range(text))
    return time


def _out_of_range(text: str) -> str:
    return f"{text} is no time between 1970 and 9999"


def _checked(text: str) -> str:
    try:
        utc_time(text)
    except ValueError:
        raise ValueError("it is no time between 1970 and 9999") from None
    return text


Moment = Annotated[str, AfterValidator(_checked)]
"""A time that `utc_time` understands, as it was written."""
