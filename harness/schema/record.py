"""The base of everything that is stored or crosses a process boundary."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

_MOST_SHOWN = 100


class Record(BaseModel):
    """Base of all persisted types: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def first_mistake(error: ValidationError) -> str:
    """The first thing that is wrong with a record: "trials.0.total_ns: Field required"."""
    first = error.errors(include_url=False, include_input=False)[0]
    # The keys are whatever stood in the file, as long as that.
    where = ".".join(str(part)[:_MOST_SHOWN] for part in first["loc"])[:_MOST_SHOWN]
    reason = first["msg"].removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason
