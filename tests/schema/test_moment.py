from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.quality import make_record
from make.records import make_end, make_experiment, make_run
from pydantic import ValidationError

from harness.schema.moment import utc_time

OUT_OF_RANGE = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59")


@pytest.mark.parametrize("text", [*OUT_OF_RANGE, "yesterday", "", "2026-13-01"])
def test_a_time_that_no_clock_tells_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        utc_time(text)


@pytest.mark.parametrize("text", OUT_OF_RANGE)
@pytest.mark.parametrize(
    ("record", "name"),
    [
        (make_experiment(), "started_at"),
        (make_run(), "started_at"),
        (make_end(), "finished_at"),
        (make_record(()), "started_at"),
    ],
)
def test_no_record_holds_one(record: object, name: str, text: str) -> None:
    facts = record.model_dump(by_alias=True)  # type: ignore[attr-defined]  # each its own type
    with pytest.raises(ValidationError, match="no time between 1970 and 9999"):
        type(record).model_validate(facts | {name: text})  # type: ignore[attr-defined]  # as above


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1)),
    st.integers(-1439, 1439),
)
def test_a_time_of_any_zone_is_the_same_moment_in_utc(time: datetime, minutes: int) -> None:
    zoned = time.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert utc_time(zoned.isoformat()) == zoned
    assert utc_time(time.isoformat()) == time.replace(tzinfo=UTC)
